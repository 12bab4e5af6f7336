"""Checkpoints in a trial's folder: which one to resume from, the best weights, fallback on damage."""

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from automl.storage import curves_file, epoch_details, files, records
from automl.storage.epoch_details import EpochDetails
from automl.storage.layout import BEST, CURVES, DETAILS, JUDGED, LAST, NEXT, PREVIOUS
from automl.storage.outage import need_folder, retry_on_outage
from automl.storage.records import RecordError
from automl.study import Job, Measurement
from automl.study.errors import TrialError
from automl.trainers import trainer_of
from automl.trials import lease


def start_over(folder: Path) -> None:
    """Delete the training state in a folder: it was trained under other conditions than the next attempt."""
    for name in (LAST, PREVIOUS, NEXT, BEST, CURVES, JUDGED, DETAILS):
        (folder / name).unlink(missing_ok=True)
    for _epoch, path in epoch_details.picture_files(folder):
        path.unlink()


@dataclass(frozen=True, slots=True)
class Folder:
    """The checkpoints in a trial's folder; every change first checks that this attempt still has the lease."""

    job: Job

    def at(self, name: str) -> Path:
        """Return the path of a file of the folder."""
        return self.job.folder / name

    def check(self) -> None:
        """Raise `Superseded` if a later attempt has the lease."""
        lease.check(self.job.folder, self.job.attempt)

    def copy(self, source: Path, name: str) -> None:
        """Copy a file into the folder, atomically."""
        self.check()
        files.copy(source, self.at(name))

    def show(self, epoch: int, shown: EpochDetails) -> None:
        """Write what an epoch shows: scalars into `details.csv`, the rest into an archive for the driver."""
        if shown.pictured:
            path = epoch_details.picture_file(self.job.folder, epoch)
            retry_on_outage(self.job.folder, lambda: path.parent.mkdir(exist_ok=True))
            shown.save(path)
        if shown.scalars:
            before = retry_on_outage(self.job.folder, lambda: epoch_details.read_details(self.job.folder))
            kept = {number: values for number, values in before.items() if number < epoch}
            epoch_details.write_details(self.job.folder, {**kept, epoch: shown.scalars})

    def rename(self, name: str, new: str) -> None:
        """Rename a file if it exists; wait where its folder is missing."""
        self.check()

        def change() -> None:
            try:
                self.at(name).replace(self.at(new))
            except FileNotFoundError:
                need_folder(self.job.folder)
                return
            files.sync_folder(self.job.folder)

        retry_on_outage(self.job.folder, change)

    def remove(self, name: str) -> None:
        """Delete a file of the folder if it exists."""
        self.check()
        retry_on_outage(self.job.folder, lambda: self.at(name).unlink(missing_ok=True))

    def delete_partial_files(self) -> None:
        """Delete partial files of an earlier attempt that was killed while it wrote."""
        self.check()
        for half in self.job.folder.glob(".*.pt.*"):
            retry_on_outage(self.job.folder, partial(half.unlink, missing_ok=True))

    def save_state(self, state: Path) -> None:
        """Make a state the last one; a kill at any point leaves a complete one."""
        self.copy(state, NEXT)
        self.rename(LAST, PREVIOUS)
        self.rename(NEXT, LAST)

    def quarantine(self, name: str, reason: str) -> None:
        """Rename a file that cannot be used, and log it."""
        self.rename(name, f"damaged-{name}")
        _log(f"{reason}; it is renamed to damaged-{name}")


def known_curves(folder: Folder) -> tuple[Measurement, ...]:
    """Return the measurements in a folder; damaged curves are set aside, and none are known then."""
    try:
        if not (found := curves_file.read_curves(folder.job.folder)):
            need_folder(folder.job.folder)
        return found
    except RecordError as error:
        folder.check()
        _log(f"{error}: set aside as {records.set_aside(folder.at(CURVES)).name}; training starts again")
        return ()


def newest(folder: Folder, *, most: int) -> tuple[Path | None, int]:
    """Return the newest file from which training can resume, and its epochs done: at most `most`, the epochs known.

    Stripped weights mark a finished training. Waits where the folder is missing.
    """
    found = retry_on_outage(folder.job.folder, partial(_newest, folder, most=most))
    if found is None:
        return None, 0
    path, done = found
    _log(f"resumes after epoch {done}, from {path.name}")
    return found


def _newest(folder: Folder, *, most: int) -> tuple[Path, int] | None:
    for name in (LAST, PREVIOUS):
        if not folder.at(name).is_file():
            continue
        try:
            done = trainer_of(folder.job).epochs_done(folder.at(name)) or folder.job.epochs
            if done > most:
                _log(f"{name} is of epoch {done}, but the curves end with epoch {most}")
                continue
            return folder.at(name), done
        except TrialError as error:
            folder.quarantine(name, str(error))
    need_folder(folder.job.folder)
    return None


def unpack(job: Job, checkpoint: Path, target: Path) -> Path:
    """Write the weights in a checkpoint as those of a finished training."""
    trainer = trainer_of(job)
    if trainer.epochs_done(checkpoint):
        trainer.write_weights(checkpoint, target)
    else:
        shutil.copyfile(checkpoint, target)
    return target


def repair_best(folder: Folder, curves: Sequence[Measurement], *, unpack: Callable[[], Path]) -> int:
    """Repair the best weights so far if missing or damaged, and return the first epoch that they can be from.

    The process may have died after writing an epoch's checkpoint and before its best weights: then the checkpoint's are
    the best. Damaged best weights cannot be restored; those of the checkpoint replace them.
    """
    best, path = best_epoch(curves, folder.job.metric), folder.at(BEST)
    if not best:
        return 1
    damage = trainer_of(folder.job).damage(path) if path.is_file() else "is missing"
    if path.is_file() and damage:
        folder.quarantine(BEST, f"{path}: cannot be read as weights: {damage}")
    if best == len(curves):
        folder.copy(unpack(), BEST)
    elif damage:
        _log(f"the best weights, those of epoch {best}, are lost; those of epoch {len(curves)} replace them")
        folder.copy(unpack(), BEST)
        return len(curves)
    return 1


def copy_best(job: Job, weights: Path) -> None:
    """Copy the best weights so far to the trainer's path; before the first validation there are none."""
    if (job.folder / BEST).is_file():
        shutil.copyfile(job.folder / BEST, weights / BEST)
    else:
        (weights / BEST).unlink(missing_ok=True)


def finish(folder: Folder, weights: Path) -> None:
    """Write the stripped weights; `last.pt` after `best.pt`, since it marks a finished training."""
    folder.copy(weights / BEST, BEST)
    folder.copy(weights / LAST, LAST)
    folder.remove(PREVIOUS)
    folder.remove(NEXT)


def best_epoch(curves: Sequence[Measurement], metric: str) -> int:
    """Return the first epoch with the highest value, 0 before any was validated."""
    measured = [measurement for measurement in curves if metric in measurement.metrics]
    return max(measured, key=lambda m: (m.metrics[metric], -m.epoch)).epoch if measured else 0


def _log(words: str) -> None:
    """Print a line; a worker's output goes to the trial's log."""
    sys.stdout.write(f"checkpoint: {words}\n")
