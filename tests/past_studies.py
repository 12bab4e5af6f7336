"""Earlier studies on disk, for the tests of the warm start: written by the program's own journal and registry."""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl.data.summary import Summary
from automl.storage import journal_format, records
from automl.storage.journal import Journal
from automl.storage.layout import JOURNAL
from automl.storage.registry import Registry
from automl.study import ParamValue, Trial
from automl.study.load import dump
from automl.study.spec import StudySpec
from tests.builders import completed, pruned, spec_of, written

SETTINGS: Mapping[str, Any] = {
    "lr0": 0.01, "momentum": 0.9, "optimizer": "auto", "batch": 16, "imgsz": 640, "mixup": 0.0, "freeze": None,
}  # fmt: skip
"""What the trainer takes for what a study does not say."""
BOLTS = Summary("b" * 64, 240, 3, 6.4, (0.03, 0.08, 0.24), (0.35, 0.57, 1.6), 0.92, 277.0)


def ten(optimizer: str = "SGD") -> list[Trial]:
    """Return the default, six that were stopped at epoch 2 and three that ran to the end, the best with lr0 0.03."""
    finals = {0: 0.5, 3: 0.6, 7: 0.7}
    rates = [0.01, 0.001, 0.002, 0.02, 0.004, 0.005, 0.006, 0.03, 0.08, 0.1]
    trials = []
    for number, rate in enumerate(rates):
        params: dict[str, ParamValue] = {"lr0": rate, "optimizer": optimizer}
        early = [0.0, number / 100 + (0.1 if number in finals else 0.0)]
        if number in finals:
            trials.append(completed(number, [*early, 0.3, 0.4, 0.45, finals[number]], params=params))
        else:
            trials.append(pruned(number, early, params=params))
    return trials


def recorded(folder: Path, spec: StudySpec, trials: Sequence[Trial], *, data: Summary | None = BOLTS) -> Path:
    """Write a study's folder as its own process leaves it."""
    written(folder, "study.yaml", dump(spec))
    if data:
        written(folder, "dataset.json", records.sealed(data.to_dict()))
    journal = Journal.create(folder, name=spec.name, metric=spec.metric)
    for trial in trials:
        number = journal.suggested(trial.params, spec.search_space, seed=trial.seed, origin="test")
        for measurement in trial.measurements:
            journal.measured(number, measurement)
        if trial.ending:
            journal.ended(number, trial.ending)
    return folder


def past(storage: Path, name: str = "a", trials: Sequence[Trial] | None = None, **changes: Any) -> Path:
    """Write a study of ten trials into a storage."""
    spec = spec_of(name=name, **changes)
    return recorded(storage / "runs" / name, spec, ten() if trials is None else trials)


def promoted(storage: Path, folder: Path, spec: StudySpec, **facts: Any) -> Path:
    """Publish a study's winner, make it champion, and return the registry's folder."""
    verdict = {
        "study": spec.name,
        "params": {"lr0": 0.03, "optimizer": "SGD"},
        "challenger": [0.7, 0.72],
        "default": [0.5, 0.52],
        **facts,
    }
    files = {name: folder / name for name in ("study.yaml", "dataset.json")}
    held = Registry(storage / "models", "boards")
    held.promote(held.publish(files, {"promotion.json": verdict}), why="test")
    return held.folder


def sealed(line: Mapping[str, Any]) -> str:
    """Return a journal line of an earlier version, with a checksum that holds, whatever it says."""
    body = json.dumps(line, separators=(",", ":"))
    return f'{body[:-1]},"crc":{zlib.crc32(body.encode())}}}\n'


def rewritten(folder: Path, change: Callable[[list[dict[str, Any]]], Sequence[Mapping[str, Any] | str]]) -> None:
    """Write the lines of a journal again with checksums and chain that hold; a text is the body of a line as it is."""
    path = folder / JOURNAL
    plain = [json.loads(line) for line in path.read_text().splitlines()]
    out = b""
    for line in change([{key: value for key, value in one.items() if key not in {"crc", "prev"}} for one in plain]):
        if isinstance(line, str):
            body = f'{line[:-1]},"prev":{zlib.crc32(out)}}}'.encode()
            out += b'%b,"crc":%d}\n' % (body[:-1], zlib.crc32(body))
        else:
            out += journal_format.sealed(line, zlib.crc32(out))
    path.write_bytes(out)


def append(folder: Path, text: str) -> None:
    with (folder / JOURNAL).open("a") as file:
        file.write(text)
