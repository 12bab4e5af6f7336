"""What validating less often saves, and what it loses: the figures behind `ladder.validate_every`.

    python benchmarks/validation.py [--data bolts/data.yaml] [--curves perf.json.gz] [--runs 8]

Trains the micro YOLO in pairs, each epoch validated and every few only, on the sample data and on the data set given;
draws params as a study does. `share_of_validation` and `seconds_ratio` are CPU-seconds of this one process: the same
epoch with and without validation, and whole trials. `loss_of_best` needs no second training: of one that validated
each epoch, the weights that sparser validation would have kept are judged too, so no seed noise is in it.
`ladder_loss` replays tabulated curves through the project's ladder: what the winner loses when its rungs saw less.
The last line is one JSON object.
"""

import argparse
import gzip
import json
import platform
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median, quantiles, stdev
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from automl.data import check, sample, staging
from automl.hpo.asha import StoppingAsha
from automl.hpo.sampler import Sampler
from automl.storage import layout, scratch
from automl.study import Answer, Job, Measurement, Params, Trial, load, yaml_io
from automl.study import spec as study_spec
from automl.study.ladder import ladder
from automl.trainers import yolo
from automl.trials import worker

ROOT: Final = Path(__file__).parents[1]
SPEC: Final = ROOT / "search_spaces" / "smoke.yaml"
METRIC: Final = "val/map50_95"
EVERY: Final = (2, 3, 4, 5, 1_000)
"""The last one: at rungs and at the end only."""
PAIRED: Final = 3
ORDERS: Final = 20
"""Orders of arrival in which the tabulated curves meet the ladder."""
TRIALS: Final = 60
SHORTEST: Final = 10


@dataclass
class Run:
    """One training: CPU-seconds of each epoch and in all, and what each way to validate would have shipped."""

    job: Job
    epochs: list[float] = field(default_factory=list)
    curve: list[float] = field(default_factory=list)
    seconds: float = 0.0
    kept: dict[int, tuple[int, float]] = field(default_factory=dict)
    """`validate_every` to the epoch it would ship and its value on val."""
    test: dict[int, float] = field(default_factory=dict)
    """Epoch to the value on test."""


def trained(job: Job, *, watched: Sequence[int] = ()) -> Run:
    """Train a job; for each `watched` rhythm keep the weights that it would ship, and judge them on test."""
    run = Run(job)
    job.folder.mkdir(parents=True)
    start = since = time.process_time()

    def report(measurement: Measurement) -> None:
        nonlocal since, start
        run.epochs.append(time.process_time() - since)
        aside = time.process_time()
        for every in watched:
            keep(run, every, measurement)
        since = time.process_time()
        start += since - aside

    ending = worker.run(job, report)
    run.seconds = time.process_time() - start
    if ending.final is None:
        raise SystemExit(f"{job.folder}: the training failed: {ending.cause}")
    for epoch in {epoch for epoch, _ in run.kept.values()}:
        run.test[epoch] = yolo.validate(job.folder / f"{epoch}.pt", job, split="test")[METRIC]
    return run


def keep(run: Run, every: int, measurement: Measurement) -> None:
    """Keep this epoch's weights if a training of that rhythm would take them for its best."""
    epoch, value = measurement.epoch, measurement.metrics[METRIC]
    if every == 1:
        run.curve.append(value)
    if replace(run.job, validate_every=every).validates(epoch) and value > run.kept.get(every, (0, -1.0))[1]:
        run.kept[every] = epoch, value
        yolo.write_weights(run.job.folder / layout.LAST, run.job.folder / f"{epoch}.pt")


def jobs(data: Path, place: Path, *, epochs: int, image_size: int, runs: int) -> Iterator[Job]:
    """Yield trainings as a study would draw them: the default params first, each with its own seed."""
    spec = load.load(SPEC, rules=yolo)
    for number, params in enumerate(drawn(spec, runs)):
        yield Job(
            folder=place / str(number), number=number, params=params, seed=number, epochs=epochs, model=spec.model,
            data=str(data), metric=METRIC, settings={**spec.train, "imgsz": image_size},
            rungs=ladder(spec.ladder.min_epochs, epochs, spec.ladder.reduction_factor),
        )  # fmt: skip


def drawn(spec: study_spec.StudySpec, count: int) -> list[Params]:
    """Return the first params of a study, before a model is asked: the default, then some near it and some random."""
    sampler = Sampler(spec.search_space, seed=0, metric=METRIC, max_epochs=spec.ladder.max_epochs)
    found: list[Params] = []
    for number in range(count):
        params, _ = sampler.draw()
        sampler.add(Trial(number=number, params=params, seed=0))
        found.append(params)
    return found


def pairs(wanted: Sequence[Job]) -> list[tuple[Run, Run]]:
    """Train each job with every epoch validated and with few; in turns first, after one that warms up."""
    trained(replace(wanted[0], folder=wanted[0].folder / "warm", epochs=2))
    found = []
    for job in wanted:
        dense = replace(job, folder=job.folder / "dense")
        sparse = replace(job, folder=job.folder / "sparse", validate_every=PAIRED)
        if job.number % 2:
            few = trained(sparse)
            found.append((trained(dense, watched=(1, *EVERY)), few))
        else:
            found.append((trained(dense, watched=(1, *EVERY)), trained(sparse)))
        print(f"  {job.number}: {told(*found[-1])}", flush=True)
    return found


def told(full: Run, few: Run) -> str:
    """Return a pair in one line."""
    share, best, kept = median(shares([(full, few)])), full.kept[1][1], full.kept[PAIRED][1]
    return f"{full.seconds:.1f} s against {few.seconds:.1f} s, share {share:.3f}, best {best:.4f} against {kept:.4f}"


def shares(found: Sequence[tuple[Run, Run]]) -> list[float]:
    """Return, epoch by epoch, which part of its CPU-seconds validation took; the first epoch fills caches."""
    return [
        1 - few.epochs[epoch - 1] / full.epochs[epoch - 1]
        for full, few in found
        for epoch in range(2, few.job.epochs + 1)
        if not few.job.validates(epoch)
    ]


def losses(found: Sequence[tuple[Run, Run]], every: int) -> dict[str, Any]:
    """Return how far below the best of all epochs the best of the validated ones lies, on val and on test."""
    on_val = [full.kept[1][1] - full.kept[every][1] for full, _ in found]
    on_test = [full.test[full.kept[1][0]] - full.test[full.kept[every][0]] for full, _ in found]
    return {"val": spread(on_val), "test": spread(on_test), "other_epoch": mean(loss > 0 for loss in on_val)}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return mean, standard deviation and standard error."""
    deviation = stdev(values) if len(values) > 1 else 0.0
    return {"mean": round(mean(values), 5), "sd": round(deviation, 5), "se": round(deviation / len(values) ** 0.5, 5)}


def quartiles(values: Sequence[float]) -> dict[str, float]:
    """Return the median and the quartiles."""
    low, middle, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return {"median": round(middle, 4), "low": round(low, 4), "high": round(high, 4)}


def measured(data: Path, place: Path, *, epochs: int, image_size: int, runs: int) -> dict[str, Any]:
    """Return the figures of one data set."""
    found = pairs(list(jobs(data, place, epochs=epochs, image_size=image_size, runs=runs)))
    return {
        "share_of_validation": quartiles(shares(found)),
        "seconds_ratio": quartiles([few.seconds / full.seconds for full, few in found]),
        "loss_of_best": {name(every): losses(found, every) for every in EVERY},
        "best": [round(full.kept[1][1], 4) for full, _ in found],
        "rungs": list(found[0][0].job.rungs),
        "epochs": epochs,
        "curves": [[round(value, 4) for value in full.curve] for full, _ in found],
    }


def name(every: int) -> str:
    """Return a rhythm in words."""
    return str(every) if every < EVERY[-1] else "rungs"


def tabulated(path: Path) -> dict[str, list[list[float]]]:
    """Return the curves of each data set, highest possible value 1; those cut short are left out."""
    with gzip.open(path) as file:
        tables: dict[str, dict[str, list[float]]] = json.load(file)
    tables = {task: curves for task, curves in tables.items() if all(isinstance(c, list) for c in curves.values())}
    found = {
        task: [[value / 100 for value in curve] for curve in curves.values() if len(curve) >= SHORTEST]
        for task, curves in tables.items()
    }
    return {task: curves for task, curves in found.items() if len(curves) >= 50}


def best_so_far(curve: Sequence[float], epoch: int, job: Job) -> float:
    """Return the best validated value up to an epoch."""
    return max(value for at, value in enumerate(curve[:epoch], start=1) if job.validates(at))


def climbed(curves: Sequence[Sequence[float]], every: int, rungs: tuple[int, ...]) -> float:
    """Return what the winner of a study of these curves, in this order of arrival, truly reached at best."""
    standing = StoppingAsha(rungs, 3)
    reached: list[tuple[int, float, float]] = []
    for number, curve in enumerate(curves):
        job = Job(Path(), number, {}, 0, len(curve), "", "", METRIC, {}, validate_every=every, rungs=rungs)
        for epoch in [*(rung for rung in rungs if rung < len(curve)), len(curve)]:
            value = best_so_far(curve, epoch, job)
            verdict = standing.judge(number, epoch=epoch, value=value) if epoch in rungs else None
            if verdict and verdict.answer is Answer.STOP:
                break
            if epoch == len(curve):
                reached.append((epoch, value, best_so_far(curve, epoch, replace(job, validate_every=1))))
    return max(reached, key=lambda one: one[1])[2]


def ladder_losses(path: Path) -> dict[str, Any]:
    """Return what a study's winner loses by sparser validation, paired by order of arrival, and what weights lose."""
    tables, rungs, found = tabulated(path), ladder(2, 50, 3), {}
    orders = [
        random.Random(f"{task} {order}").sample(curves, k=min(TRIALS, len(curves)))
        for task, curves in tables.items()
        for order in range(ORDERS)
    ]
    pattern = Job(Path(), 0, {}, 0, 1, "", "", METRIC, {}, rungs=rungs)
    full = [climbed(order, 1, rungs) for order in orders]
    for every in EVERY:
        winners = [climbed(order, every, rungs) for order in orders]
        weights = [
            max(curve) - best_so_far(curve, len(curve), replace(pattern, epochs=len(curve), validate_every=every))
            for curves in tables.values()
            for curve in curves
        ]
        lost = [one - other for one, other in zip(full, winners, strict=True)]
        found[name(every)] = {"winner": spread(lost), "weights": spread(weights)}
    return {"rungs": list(rungs), "tasks": len(tables), "orders": ORDERS, "by_every": found}


def machine() -> dict[str, str]:
    """Return where and when the figures were taken."""
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "commit": told.stdout.strip(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{platform.machine()}, Python {platform.python_version()}, one thread",
    }


def staged(source: Path, place: Path) -> Path:
    """Return the `data.yaml` of a copy that training may write beside."""
    found = check.check(source, yaml_io.read_yaml(source), splits=("train", "val", "test"))
    return staging.stage(found, place)


def main() -> None:
    """Measure, and print one JSON object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, help="the data.yaml of a second data set")
    parser.add_argument("--curves", type=Path, help="tabulated curves: {task: {id: [percent, ...]}}, gzipped JSON")
    parser.add_argument("--runs", type=int, default=8, help="pairs of trainings a data set")
    parser.add_argument("--epochs", type=int, default=24, help="of a training on the second data set")
    asked = parser.parse_args()
    by_data: dict[str, Any] = {}
    with scratch.folder() as place:
        drawn_data = staged(sample.draw(place / "drawn"), place / "sample")
        by_data["sample"] = measured(drawn_data, place / "runs", epochs=12, image_size=128, runs=asked.runs)
        if asked.data:
            given = staged(asked.data, place / "given")
            label = asked.data.parent.name
            by_data[label] = measured(given, place / label, epochs=asked.epochs, image_size=160, runs=asked.runs)
    columns = ("share_of_validation", "seconds_ratio", "loss_of_best")
    figures: dict[str, Any] = {key: {data: one[key] for data, one in by_data.items()} for key in columns}
    figures |= {"runs": asked.runs, "every": PAIRED, "details": by_data, **machine()}
    if asked.curves:
        figures["ladder_loss"] = ladder_losses(asked.curves)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
