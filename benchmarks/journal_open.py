"""What opening a large journal costs: `Journal.read` and its trials, in seconds of CPU and by the clock.

    python benchmarks/journal_open.py --lines 100000

The journal is that of trials with ten metrics an epoch, once with few long trials and once with many short ones. The
last line is one JSON object.
"""

import argparse
import json
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any, Final

from automl.storage.journal import Journal
from automl.storage.layout import JOURNAL

METRIC: Final = "val/map50_95"
METRICS: Final = (
    METRIC, "val/map50", "val/precision", "val/recall", "val/loss", "train/box_loss", "train/cls_loss",
    "train/dfl_loss", "lr/weights", "lr/bias",
)  # fmt: skip
DISTRIBUTIONS: Final = {
    "lr0": '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 0.1, "log": true}}',
    "optimizer": '{"name": "CategoricalDistribution", "attributes": {"choices": ["SGD", "AdamW"]}}',
}
WHEN: Final = "2026-11-28T10:00:00.000000+00:00"


class Writer:
    """Lines of a journal in memory."""

    def __init__(self, *, chained: bool) -> None:
        """Start with none; lines of earlier versions are not chained."""
        self.chained, self.count, self.crc = chained, 0, 0
        self.parts: list[bytes] = []

    def add(self, op: int, **fields: Any) -> None:  # noqa: ANN401
        """Append a line."""
        log = {"op_code": op, "worker_id": "0d6a3b1e-140000000000000", **fields}
        body = json.dumps({**log, "prev": self.crc} if self.chained else log, separators=(",", ":")).encode()
        line = b'%b,"crc":%d}\n' % (body[:-1], zlib.crc32(body))
        self.crc = zlib.crc32(line, self.crc)
        self.parts.append(line)
        self.count += 1


def written(path: Path, *, lines: int, epochs: int, chained: bool) -> None:
    """Write a journal of trials of so many epochs."""
    writer = Writer(chained=chained)
    writer.add(0, study_name="large", directions=[2])
    trial = 0
    while writer.count < lines:
        writer.add(
            4, study_id=0, datetime_start=WHEN, state=0, value=None, values=None, distributions=DISTRIBUTIONS,
            params={"lr0": 0.01, "optimizer": 0}, user_attrs={"seed": trial, "origin": "model"}, system_attrs={},
            intermediate_values={},
        )  # fmt: skip
        metrics: dict[str, float] = {}
        for epoch in range(1, epochs + 1):
            metrics = dict.fromkeys(METRICS, (epoch + trial) * 7919 % 1000 / 1000)
            attr = {"epoch": epoch, "metrics": metrics, "seconds": 12.5, "node": "node-1"}
            writer.add(8, trial_id=trial, user_attr={f"epoch:{epoch}": attr})
            writer.add(7, trial_id=trial, step=epoch, intermediate_value=metrics[METRIC])
        ending = {"cause": "", "pruned": "", "final": {"epoch": epochs, "metrics": metrics, "seconds": 12.5}}
        writer.add(8, trial_id=trial, user_attr={"ending": ending})
        writer.add(6, trial_id=trial, state=1, values=[metrics[METRIC]], datetime_complete=WHEN)
        writer.add(2, study_id=0, user_attr={"seconds": 60.0 * trial})
        trial += 1
    path.write_bytes(b"".join(writer.parts[:lines]))


def timed(folder: Path) -> dict[str, float]:
    """Open a journal and read its trials; return seconds."""
    clock, cpu = time.perf_counter(), time.process_time()
    journal = Journal.read(folder, metric=METRIC)
    opened = time.perf_counter() - clock
    trials = journal.trials()
    return {
        "trials": len(trials),
        "open": round(opened, 2),
        "with_trials": round(time.perf_counter() - clock, 2),
        "cpu": round(time.process_time() - cpu, 2),
    }


def main() -> None:
    """Measure, and print one JSON object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--unchained", action="store_true", help="lines as earlier versions wrote them")
    given = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {}
    for epochs in (100, 6):
        with tempfile.TemporaryDirectory() as folder:
            written(Path(folder) / JOURNAL, lines=given.lines, epochs=epochs, chained=not given.unchained)
            found[f"epochs_{epochs}"] = [timed(Path(folder)) for _ in range(given.times)]
    print(json.dumps({"lines": given.lines, **found}))


if __name__ == "__main__":
    main()
