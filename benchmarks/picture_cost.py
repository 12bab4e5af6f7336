"""Share of the CPU time of a training that its pictures cost.

    python benchmarks/picture_cost.py --data FOLDER/bccd --weights yolo11n.pt [--imgsz 320] [--epochs 10] [--pairs 3]

Each pair is the same training of one process twice, with pictures as by default and without any, in changing order. The
trainings are equal number by number, so the difference of their CPU seconds is what pictures cost (`share`, `least`
and `most` of the pairs). Beside other work that difference is noise, so the CPU seconds of the functions that draw,
count and write pictures are also added up (`drawing`, a share as well). The last line is one JSON object.
"""

import argparse
import functools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("YOLO_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from automl.data import check, staging
from automl.study import Job, yaml_io
from automl.trials import worker

EVERY: Final = 10


def main() -> None:
    """Train the pairs and print the share."""
    given = _arguments()
    with TemporaryDirectory(prefix="pictures-") as name:
        staged = _staged(given.data, Path(name))
        shares, drawing = [], []
        for pair in range(given.pairs):
            seconds = {}
            for every in (EVERY, 0) if pair % 2 else (0, EVERY):
                job = _job(Path(name) / f"{pair}-{every}", staged, given, every)
                with get_context("spawn").Pool(1) as pool:
                    seconds[every], drawn = pool.apply(cpu_seconds, (job,))
                drawing += [drawn / seconds[every]] if every else []
            shares.append(seconds[EVERY] / seconds[0] - 1)
            print(
                f"pair {pair}: {seconds[EVERY]:.1f} s with, {seconds[0]:.1f} s without: {shares[-1]:+.2%}, "
                f"drawing {drawing[-1]:.2%}", flush=True,
            )  # fmt: skip
    spread = {"share": statistics.median(shares), "least": min(shares), "most": max(shares)}
    spread |= {"drawing": statistics.median(drawing), "drawing_least": min(drawing), "drawing_most": max(drawing)}
    facts = {"epochs": given.epochs, "imgsz": given.imgsz, "pairs": given.pairs}
    print(json.dumps(facts | {name: round(value, 4) for name, value in spread.items()}))


def cpu_seconds(job: Job) -> tuple[float, float]:
    """Train a job in this process; return the CPU seconds of all but imports, and of the functions for pictures."""
    from automl.trainers.yolo.vendor import ultralytics

    ultralytics()
    drawn = timed()
    job.folder.mkdir(parents=True)
    began = time.process_time()
    ending = worker.run(job, lambda _measurement: None)
    if ending.final is None:
        raise SystemExit(f"picture_cost.py: {ending.cause}")
    return time.process_time() - began, sum(drawn)


def timed() -> list[float]:
    """Replace the functions for pictures with timed ones, which do not call each other; return their times."""
    from ultralytics.utils.metrics import ConfusionMatrix

    from automl.storage.epoch_details import EpochDetails
    from automl.trainers.yolo import observer, pictures, validator_class

    times: list[float] = []
    inputs = observer._inputs
    setattr(observer, "_inputs", lambda batch: [*inputs(batch)])  # noqa: B010  (a generator would do its work elsewhere)
    for owner, names in (
        (pictures, ("sheet", "confusion", "pr_curves")), (observer, ("_inputs",)), (validator_class, ("_drawn",)),
        (ConfusionMatrix, ("process_batch",)), (EpochDetails, ("save",)),
    ):  # fmt: skip
        for name in names:
            setattr(owner, name, _timed(getattr(owner, name), times))
    return times


def _timed(function: Callable[..., Any], times: list[float]) -> Callable[..., Any]:
    @functools.wraps(function)
    def measured(*given: object, **named: object) -> object:
        began = time.process_time()
        try:
            return function(*given, **named)
        finally:
            times.append(time.process_time() - began)

    return measured


def _staged(folder: Path, place: Path) -> Path:
    source = folder if folder.is_file() else folder / "data.yaml"
    return staging.stage(check.check(source, yaml_io.read_yaml(source), splits=("train", "val")), place / "data")


def _job(folder: Path, staged: Path, given: argparse.Namespace, every: int) -> Job:
    return Job(
        folder=folder, number=0, params={}, seed=0, epochs=given.epochs, model=str(given.weights.resolve()),
        data=str(staged), metric="val/map50_95", settings={"imgsz": given.imgsz, "batch": 8, "cache": "ram"},
        validate_every=3, pictures_every=every,
    )  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
