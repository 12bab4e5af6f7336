"""One trial on a worker: a job in, Measurements out, and an Ending that names the cause of a failure.

Knows no Ray: `report` comes in as an argument and simply does not return when the trial is stopped. All that has to
outlive the process is in the job's folder before `report` is called, so a trial may be killed at any moment and run
again with the same arguments.
"""

import csv
import io
import shutil
import traceback
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Final

from automl import durable, scratch, yolo
from automl.errors import AutomlError
from automl.records import Ending, Job, Measurement, Report

LAST: Final = "last.pt"
BEST: Final = "best.pt"
CURVES: Final = "curves.csv"


def run(job: Job, report: Report) -> Ending:
    """Train a job from its last checkpoint on, or from the start, and say how it ended.

    Every epoch kept in the folder is reported, also those of an earlier attempt: the listener may have missed them.
    """
    try:
        with scratch.folder() as place:
            return Ending(final=_train(job, place, report))
    except AutomlError as error:
        return Ending(cause=str(error))
    except Exception as error:  # noqa: BLE001  (the one place where a crash becomes a FAILED trial with its cause)
        traceback.print_exc()
        return Ending(cause=f"{type(error).__name__}: {error}"[:1000], again=True)


def read_curves(folder: Path) -> tuple[Measurement, ...]:
    """Return what a trial measured so far, by its own file; an empty cell is a metric that the epoch has not."""
    path = folder / CURVES
    if not path.is_file():
        return ()
    with path.open(newline="") as file:
        return tuple(_measurement(row) for row in csv.DictReader(file))


def _train(job: Job, place: Path, report: Report) -> Measurement:
    curves = list(read_curves(job.folder))
    checkpoint = job.folder / LAST
    done = _continue_from(job, place, curves) if checkpoint.is_file() else 0
    del curves[done:]
    for measurement in curves:
        report(measurement)

    def on_epoch(measurement: Measurement, weights: Path) -> None:
        curves.append(measurement)
        _write_curves(job.folder, curves)
        durable.copy(weights, checkpoint)
        if _best_epoch(curves, job.metric) == measurement.epoch:
            durable.copy(weights, job.folder / BEST)
        # Ultralytics evaluates this file at the end; ours follows the study's own metric.
        _bring_best(job, weights.parent)
        report(measurement)

    if done < job.epochs:
        metrics = yolo.train(job, place, checkpoint=place / "weights" / LAST if done else None, on_epoch=on_epoch)
    else:
        metrics = _evaluate_again(job, place)
    if job.split != "val":
        metrics = yolo.validate(place / "weights" / BEST, job, split=job.split)
    for name in (LAST, BEST):
        durable.copy(place / "weights" / name, job.folder / name)
    return Measurement(epoch=job.epochs, metrics=metrics, seconds=sum(m.seconds for m in curves))


def _continue_from(job: Job, place: Path, curves: Sequence[Measurement]) -> int:
    """Bring the checkpoint to the worker's own folder and return the epochs behind it."""
    weights = place / "weights"
    weights.mkdir(parents=True)
    shutil.copyfile(job.folder / LAST, weights / LAST)
    done = yolo.epochs_done(weights / LAST)
    if done and _best_epoch(curves[:done], job.metric) == done:
        durable.copy(job.folder / LAST, job.folder / BEST)  # the process may have died between the two copies
    _bring_best(job, weights)
    return done or job.epochs  # stripped weights are those of a finished training


def _bring_best(job: Job, weights: Path) -> None:
    """Put the best weights so far where Ultralytics keeps its own; before the first validation there are none."""
    if (job.folder / BEST).is_file():
        shutil.copyfile(job.folder / BEST, weights / BEST)
    else:
        (weights / BEST).unlink(missing_ok=True)


def _evaluate_again(job: Job, place: Path) -> dict[str, float]:
    """Finish a training that was killed after its last epoch: strip the weights and evaluate the best."""
    for name in (LAST, BEST):
        yolo.strip(place / "weights" / name)
    yolo.set_threads(job.threads)
    return yolo.validate(place / "weights" / BEST, job, split="val")


def _best_epoch(curves: Sequence[Measurement], metric: str) -> int:
    """Return the first epoch with the highest value, 0 before any was validated."""
    measured = [measurement for measurement in curves if metric in measurement.metrics]
    return max(measured, key=lambda m: (m.metrics[metric], -m.epoch)).epoch if measured else 0


def _write_curves(folder: Path, curves: Sequence[Measurement]) -> None:
    text = io.StringIO(newline="")
    fullest_first = sorted((measurement.metrics for measurement in curves), key=len, reverse=True)
    writer = csv.DictWriter(text, ["epoch", "seconds", *dict.fromkeys(chain.from_iterable(fullest_first))])
    writer.writeheader()
    for measurement in curves:
        writer.writerow({"epoch": measurement.epoch, "seconds": measurement.seconds, **measurement.metrics})
    durable.write_text(folder / CURVES, text.getvalue())


def _measurement(row: dict[str, str]) -> Measurement:
    epoch, seconds = int(row.pop("epoch")), float(row.pop("seconds"))
    metrics = {name: float(value) for name, value in row.items() if value}
    return Measurement(epoch=epoch, metrics=metrics, seconds=seconds)
