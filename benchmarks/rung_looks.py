"""Is a look at a rung more faithful after a probe, or with averaged weights? `fidelities.py --rungs` asks it.

Configurations whose final scores are in `detector-curves/` are trained once more, to the last of RUNGS only, by the
program's own worker. At each rung, from its checkpoint: `plain` is the best value so far, as the rung compares it;
`probe` one more epoch with the learning rate falling to zero and mosaic closed, validated and thrown away; `mean2` and
`mean3` the mean of the averaged weights (EMA) after the last epochs, statistics of batch normalisation included.
`again` validates the weights of the rung as the means are validated. Rows go to `detector-looks/<task>.jsonl`.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from shutil import copyfile
from statistics import fmean
from typing import Any, Final

import numpy as np
from scipy.stats import spearmanr

from automl.storage.layout import LAST
from automl.study import Job, Measurement
from automl.trainers import yolo
from automl.trainers.yolo import state_file
from automl.trials import worker
from benchmarks.detector_curves import OUT as TABLES
from benchmarks.detector_curves import origin
from benchmarks.detector_plan import Task, prepared
from benchmarks.detector_rows import METRIC, Row, path_of, read_rows

OUT: Final = Path(__file__).resolve().with_name("detector-looks")
RUNGS: Final = (2, 3)
WAYS: Final = ("plain", "again", "probe", "mean2", "mean3")
QUARTER: Final = 0.25
DRAWS: Final = 2000


class Enough(BaseException):
    """A training was seen as far as it is needed; no Exception, which a worker would take for a crash."""


@dataclass(slots=True)
class Probe:
    """One epoch with mosaic closed and the learning rate falling to zero, from a state of the program's trainer."""

    value: float = 0.0
    seconds: float = 0.0
    """CPU-seconds without the start of the process."""
    _batches: int = 0
    _began: float = 0.0

    def run(self, job: Job, state: Path, place: Path) -> None:
        """Train the epoch after a state, and validate."""

        def on_epoch(measurement: Measurement, *_: object) -> None:
            self.seconds = time.process_time() - self._began
            self.value = measurement.metrics[METRIC]
            raise Enough

        (place / "weights").mkdir(parents=True)
        try:
            yolo.train(job, place, state=state, on_epoch=on_epoch, callbacks={
                "on_train_epoch_start": self._close_mosaic,
                "on_train_batch_end": self._count,
            })  # fmt: skip
        except Enough:
            return

    def _close_mosaic(self, trainer: Any) -> None:  # noqa: ANN401
        trainer._close_dataloader_mosaic()
        trainer.train_loader.reset()
        groups, total = trainer.optimizer.param_groups, len(trainer.train_loader)
        kept: list[float] = []

        def lower(*_: object) -> None:
            kept[:] = [group["lr"] for group in groups]
            for group in groups:
                group["lr"] *= 1 - self._batches / total

        def restore(*_: object) -> None:
            for group, rate in zip(groups, kept, strict=True):
                group["lr"] = rate

        trainer.optimizer.register_step_pre_hook(lower)
        trainer.optimizer.register_step_post_hook(restore)
        self._began = time.process_time()

    def _count(self, trainer: Any) -> None:  # noqa: ANN401, ARG002
        self._batches += 1


def collect(tasks: Sequence[Task], place: Path) -> None:
    """Look at the configurations of each task that have a final score, those that OUT lacks."""
    yolo.set_threads(1)
    OUT.mkdir(exist_ok=True)
    for task in tasks:
        target = path_of(OUT, task.name)
        done = {row["configuration"] for row in read_rows(target)}
        wanted = [row for row in firsts(read_rows(path_of(TABLES, task.name))) if row["configuration"] not in done]
        data = str(prepared(task, place / f"data-{task.name}").source) if wanted else ""
        for row in wanted:
            number, folder = row["configuration"], place / f"{task.name}-{row['configuration']}"
            job = Job(
                folder=folder, number=number, params=row["params"], seed=row["seed"], epochs=row["epochs"],
                model=str(task.model), data=data, metric=METRIC,
                settings={"imgsz": row["imgsz"], "batch": row["batch"], "cache": "ram"}, threads=1,
            )  # fmt: skip
            known = {"task": task.name, "configuration": number, "seed": row["seed"], **origin(gpu=False)}
            found = known | looked(job, max(row["curve"][METRIC]), folder)
            with target.open("a") as file:
                file.write(json.dumps(found, separators=(",", ":")) + "\n")
            print(task.name, number, {way: found[way] for way in WAYS}, found["final"], flush=True)


def firsts(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield the first row of each configuration that was trained to its end."""
    ordered = sorted((row for row in rows if not row["cause"]), key=lambda row: (row["configuration"], row["seed"]))
    for _, group in groupby(ordered, key=lambda row: row["configuration"]):
        yield next(group)


def looked(job: Job, final: float, place: Path) -> Row:
    """Train a job to the last of RUNGS and look at each rung in all ways; `final` is its known value at the end."""
    job = replace(job, folder=place / "prefix")
    values, seconds = prefix(job, place)
    found: Row = {way: {} for way in WAYS} | {"curve": values, "final": final, "epoch_cpu": round(fmean(seconds), 2)}
    probes, validations = [], []
    for rung in RUNGS:
        probe = Probe()
        probe.run(replace(job, folder=place), state_of(place, rung), place / f"probe{rung}")
        probes.append(probe.seconds)
        found["plain"][str(rung)], found["probe"][str(rung)] = max(values[:rung]), round(probe.value, 5)
        for way, count in (("again", 1), ("mean2", 2), ("mean3", 3)):
            if count <= rung:
                began = time.process_time()
                found[way][str(rung)] = averaged(job, place, range(rung - count + 1, rung + 1))
                validations.append(time.process_time() - began)
    return found | {"probe_cpu": round(fmean(probes), 2), "mean_cpu": round(fmean(validations), 2)}


def state_of(place: Path, epoch: int) -> Path:
    """Return where the state after an epoch is kept."""
    return place / f"state{epoch}.pt"


def prefix(job: Job, place: Path) -> tuple[list[float], list[float]]:
    """Train to the last of RUNGS, keep the state of each epoch, and return values and CPU-seconds of the epochs."""
    job.folder.mkdir(parents=True)
    values, seconds, since = list[float](), list[float](), time.process_time()

    def report(measurement: Measurement) -> None:
        nonlocal since
        seconds.append(time.process_time() - since)
        values.append(round(measurement.metrics[METRIC], 5))
        copyfile(job.folder / LAST, state_of(place, measurement.epoch))
        since = time.process_time()
        if measurement.epoch == RUNGS[-1]:
            raise Enough

    try:
        ending = worker.run(job, report)
    except Enough:
        return values, seconds[1:]  # the first one holds the start of the process
    raise SystemExit(f"{job.folder}: the training failed: {ending.cause}")


def averaged(job: Job, place: Path, epochs: Sequence[int]) -> float:
    """Validate the mean of the weights after some epochs."""
    states = [state_file.load(state_of(place, epoch)) for epoch in epochs]
    parts = [state["ema"] for state in states]
    mean = {
        name: sum(part[name] for part in parts) / len(parts) if value.is_floating_point() else value
        for name, value in parts[-1].items()
    }
    mixed, weights = place / "mean-state.pt", place / "mean.pt"
    state_file.save({**states[-1], "ema": mean}, mixed)
    yolo.write_weights(mixed, weights)
    return round(yolo.validate(weights, job, split="val", as_trained=True)[METRIC], 5)


def compared(tables: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """Return, of each rung and way, the mean over tasks of the rank correlation with the end, over all and the best.

    With the difference to `plain` and its 90% interval by bootstrap over configurations within tasks.
    """
    answer: dict[str, Any] = {"rows": {task: len(rows) for task, rows in tables.items()}}
    for rung in map(str, RUNGS):
        for way in WAYS:
            pairs = {task: looks(rows, way, rung) for task, rows in tables.items()}
            if all(len(found) for found in pairs.values()) and pairs:
                answer.setdefault(rung, {})[way] = figures(list(pairs.values()))
    every = [row for rows in tables.values() for row in rows]
    for name in ("probe_cpu", "mean_cpu"):
        answer[name] = round(fmean(row[name] / row["epoch_cpu"] for row in every), 2) if every else None
    return answer


def looks(rows: Sequence[Row], way: str, rung: str) -> np.ndarray:
    """Return (configurations, 3): the look, the plain look, the end."""
    return np.array([[row[way][rung], row["plain"][rung], row["final"]] for row in rows if rung in row[way]])


def figures(tasks: Sequence[np.ndarray]) -> dict[str, Any]:
    """Return the correlations of a look, and its gain over the plain one."""
    generator, gains = np.random.default_rng(0), []
    for _ in range(DRAWS):
        drawn = [found[generator.integers(len(found), size=len(found))] for found in tasks]
        gains.append(fmean(ranks(one[:, 0], one[:, 2]) - ranks(one[:, 1], one[:, 2]) for one in drawn))
    best = [found[found[:, 2] >= np.quantile(found[:, 2], 1 - QUARTER)] for found in tasks]
    own, plain = (fmean(ranks(found[:, column], found[:, 2]) for found in tasks) for column in (0, 1))
    return {
        "all": round(own, 3),
        "best_quarter": round(fmean(ranks(found[:, 0], found[:, 2]) for found in best), 3),
        "gain": round(own - plain, 3),
        "gain_90": [round(float(value), 3) for value in np.quantile(gains, [0.05, 0.95])],
    }


def ranks(looks_: np.ndarray, ends: np.ndarray) -> float:
    """Return the rank correlation (Spearman); 0 where all are the same.

    >>> ranks(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]))
    0.5
    """
    if len(set(looks_.tolist())) < 2 or len(set(ends.tolist())) < 2:
        return 0.0
    return round(float(spearmanr(looks_, ends).statistic), 12)
