"""One trial on a worker: a job in, Measurements out, and an Ending that names the cause of a failure.

Knows no Ray: `report` comes in as an argument and simply does not return when the trial is stopped. All that has to
outlive the process is in the job's folder before `report` is called, so a trial may be killed at any moment and run
again with the same arguments.
"""

import csv
import io
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

from automl import attempts, durable, scratch, yolo
from automl.errors import AutomlError, TrialError
from automl.patience import PASSING, patiently
from automl.records import Ending, Job, Measurement, Report

LAST: Final = "last.pt"
"""What a training goes on from; after its end, stripped weights."""
PREVIOUS: Final = "previous.pt"
"""The same of the epoch before, should `last.pt` be damaged."""
NEXT: Final = "next.pt"
BEST: Final = "best.pt"
CURVES: Final = "curves.csv"
JUDGED: Final = "judged.npz"
"""What a re-training's metrics on the judged split were computed from, image by image (`detections`)."""


def run(job: Job, report: Report) -> Ending:
    """Train a job from its last checkpoint on, or from the start, and say how it ended.

    Every epoch kept in the folder is reported, also those of an earlier attempt: the listener may have missed them.

    Raises:
        Superseded: a later attempt was given out; this one left the folder as it was.
    """
    try:
        with scratch.folder() as place:
            return Ending(final=_train(_Folder(job), place, report))
    except attempts.Superseded:
        raise
    except AutomlError as error:
        return Ending(cause=str(error))
    except OSError as error:
        if error.errno in PASSING:
            raise  # the storage, not the training: the worker is lost, and that is all
        return _crashed(error)
    except Exception as error:  # noqa: BLE001  (the one place where a crash becomes a FAILED trial with its cause)
        return _crashed(error)


def start_over(folder: Path) -> None:
    """Forget what was trained in a folder: under other conditions than the next attempt will have."""
    for name in (LAST, PREVIOUS, NEXT, BEST, CURVES, JUDGED):
        (folder / name).unlink(missing_ok=True)


def read_curves(folder: Path) -> tuple[Measurement, ...]:
    """Return what a trial measured so far, by its own file; an empty cell is a metric that the epoch has not."""
    path = folder / CURVES
    if not path.is_file():
        return ()
    with path.open(newline="") as file:
        return tuple(_measurement(row) for row in csv.DictReader(file))


def _crashed(error: Exception) -> Ending:
    traceback.print_exception(error)
    return Ending(cause=f"{type(error).__name__}: {error}"[:1000], again=True)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A trial's folder; whatever changes it sees first that this attempt still may."""

    job: Job

    def at(self, name: str) -> Path:
        return self.job.folder / name

    def check(self) -> None:
        attempts.check(self.job.folder, self.job.attempt)

    def copy(self, source: Path, name: str) -> None:
        self.check()
        durable.copy(source, self.at(name))

    def rename(self, name: str, new: str) -> None:
        """Give a file another name, if it is there."""
        self.check()

        def change() -> None:
            if self.at(name).is_file():
                self.at(name).replace(self.at(new))
                durable.sync_folder(self.job.folder)

        patiently(self.job.folder, change)

    def remove(self, name: str) -> None:
        self.check()
        patiently(self.job.folder, lambda: self.at(name).unlink(missing_ok=True))

    def sweep(self) -> None:
        """Remove the halves that an earlier attempt left when it was killed while it wrote."""
        self.check()
        for half in self.job.folder.glob(".*.pt.*"):
            patiently(self.job.folder, partial(half.unlink, missing_ok=True))

    def keep_state(self, state: Path) -> None:
        """Make a state the last one; killed anywhere between, a whole one is left."""
        self.copy(state, NEXT)
        self.rename(LAST, PREVIOUS)
        self.rename(NEXT, LAST)

    def set_aside(self, name: str, reason: str) -> None:
        """Keep a file that cannot be used under another name, and say so."""
        self.rename(name, f"damaged-{name}")
        _say(f"{reason}; it is kept as damaged-{name}")


def _train(folder: _Folder, place: Path, report: Report) -> Measurement:
    job, weights = folder.job, place / "weights"
    weights.mkdir(parents=True)
    folder.sweep()
    curves = list(patiently(job.folder, partial(read_curves, job.folder)))
    checkpoint, done = _checkpoint(folder)
    del curves[done:]
    counted = _mend_best(folder, curves, unpack=partial(_unpack, checkpoint, weights / LAST)) if checkpoint else 1
    for measurement in curves:
        report(measurement)

    def on_epoch(measurement: Measurement, made: Path, state: Path) -> None:
        curves.append(measurement)
        folder.check()
        _write_curves(job.folder, curves)
        folder.keep_state(state)
        if _best_epoch(curves[counted - 1 :], job.metric) == measurement.epoch:
            folder.copy(made, BEST)
        # Ultralytics evaluates this file at the end; ours follows the study's own metric.
        _bring_best(job, made.parent)
        report(measurement)

    if checkpoint and done >= job.epochs:
        metrics = _evaluate_again(job, _unpack(checkpoint, weights / LAST).parent)
    else:
        metrics = yolo.train(job, place, state=checkpoint, on_epoch=on_epoch)
    if job.split != "val":
        metrics, stats = yolo.judge(weights / BEST, job, split=job.split)
        folder.check()
        stats.save(job.folder / JUDGED)
    _finish(folder, weights)
    changed = curves[-1].changed if curves else ""
    return Measurement(job.epochs, metrics, seconds=sum(m.seconds for m in curves), changed=changed)


def _checkpoint(folder: _Folder) -> tuple[Path | None, int]:
    """Return the newest file that can be gone on from, and the epochs behind it.

    Stripped weights are those of a finished training.
    """
    for name in (LAST, PREVIOUS):
        if not folder.at(name).is_file():
            continue
        try:
            done = yolo.epochs_done(folder.at(name)) or folder.job.epochs
            _say(f"goes on after epoch {done}, from {name}")
            return folder.at(name), done
        except TrialError as error:
            folder.set_aside(name, str(error))
    return None, 0


def _unpack(checkpoint: Path, target: Path) -> Path:
    """Write the weights in a checkpoint as Ultralytics writes those of a finished training."""
    if yolo.epochs_done(checkpoint):
        yolo.write_weights(checkpoint, target)
    else:
        shutil.copyfile(checkpoint, target)
    return target


def _mend_best(folder: _Folder, curves: Sequence[Measurement], *, unpack: Callable[[], Path]) -> int:
    """See that the best weights so far are there, and return the first epoch that they can be of.

    The process may have died after an epoch's checkpoint and before its best weights: then they are those of the
    checkpoint. Damaged ones are gone for good; those of the checkpoint are the only ones left.
    """
    best, path = _best_epoch(curves, folder.job.metric), folder.at(BEST)
    if not best:
        return 1
    damage = yolo.damage(path) if path.is_file() else "is not there"
    if path.is_file() and damage:
        folder.set_aside(BEST, f"{path}: cannot be read as weights: {damage}")
    if best == len(curves):
        folder.copy(unpack(), BEST)
    elif damage:
        _say(f"the best weights, those of epoch {best}, are lost; those of epoch {len(curves)} take their place")
        folder.copy(unpack(), BEST)
        return len(curves)
    return 1


def _bring_best(job: Job, weights: Path) -> None:
    """Put the best weights so far where Ultralytics keeps its own; before the first validation there are none."""
    if (job.folder / BEST).is_file():
        shutil.copyfile(job.folder / BEST, weights / BEST)
    else:
        (weights / BEST).unlink(missing_ok=True)


def _evaluate_again(job: Job, weights: Path) -> dict[str, float]:
    """Finish a training that was killed after its last epoch: strip the best weights and evaluate them."""
    _bring_best(job, weights)
    yolo.strip(weights / BEST)
    yolo.set_threads(job.threads)
    return yolo.validate(weights / BEST, job, split="val", as_trained=True)


def _finish(folder: _Folder, weights: Path) -> None:
    """Leave stripped weights; `last.pt` comes after `best.pt`, since it tells a finished training."""
    folder.copy(weights / BEST, BEST)
    folder.copy(weights / LAST, LAST)
    folder.remove(PREVIOUS)
    folder.remove(NEXT)


def _best_epoch(curves: Sequence[Measurement], metric: str) -> int:
    """Return the first epoch with the highest value, 0 before any was validated."""
    measured = [measurement for measurement in curves if metric in measurement.metrics]
    return max(measured, key=lambda m: (m.metrics[metric], -m.epoch)).epoch if measured else 0


def _write_curves(folder: Path, curves: Sequence[Measurement]) -> None:
    text = io.StringIO(newline="")
    fullest_first = sorted((measurement.metrics for measurement in curves), key=len, reverse=True)
    told = ["changed"] if any(measurement.changed for measurement in curves) else []
    names = [*dict.fromkeys(chain.from_iterable(fullest_first))]
    writer = csv.DictWriter(text, ["epoch", "seconds", *names, *told], extrasaction="ignore")
    writer.writeheader()
    for m in curves:
        writer.writerow({"epoch": m.epoch, "seconds": m.seconds, **m.metrics, "changed": m.changed})
    durable.write_text(folder / CURVES, text.getvalue())


def _measurement(row: dict[str, str]) -> Measurement:
    epoch, seconds, changed = int(row.pop("epoch")), float(row.pop("seconds")), row.pop("changed", "")
    metrics = {name: float(value) for name, value in row.items() if value}
    return Measurement(epoch, metrics, seconds, changed)


def _say(words: str) -> None:
    """Put a line in the trial's log, which is where a worker's output goes."""
    sys.stdout.write(f"checkpoint: {words}\n")
