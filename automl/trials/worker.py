"""Worker: runs one job, reports a Measurement per epoch, and returns an Ending with the cause of a failure.

Does not import Ray: `report` is an argument, and does not return if the trial is stopped. All state is written to the
job's folder before `report` is called, so a trial may be killed at any time and run again with the same arguments.
"""

import errno
import os
import shutil
import sys
import traceback
from functools import partial
from pathlib import Path

from automl.storage import curves_file, local_disk, scratch
from automl.storage.epoch_details import EpochDetails
from automl.storage.layout import BEST, JUDGED, LAST
from automl.storage.outage import TRANSIENT, retry_on_outage
from automl.storage.records import RecordError
from automl.study import Ending, EndReason, Job, Measurement, Report
from automl.study.errors import AutomlError, DataError, TrialError
from automl.trainers import trainer_of
from automl.trials import checkpoints, data_mount, environment, lease, node_data


def run(job: Job, report: Report) -> Ending:
    """Train a job from its last checkpoint, or from the start, and return its ending.

    Epochs of earlier attempts that the driver may have missed are reported too; of those that it has recorded the last
    one alone, since it may have died before it answered.

    A training that fails while its images are away is no failure: it resumes from its checkpoint when they are back.

    Raises:
        Superseded: a later attempt has the lease; this one left the folder unchanged.
    """
    scanned = False
    while True:
        try:
            data_mount.wait_for(job)
        except DataError as error:
            return Ending(cause=str(error), kind=EndReason.DATA)
        ending = _attempt(job, report)
        if ending.final:
            return ending
        if not data_mount.is_away(job):
            if ending.reason is not EndReason.DATA or scanned:
                return ending
            scanned = True
            data_mount.scan_again(job)
        sys.stdout.write(f"the training starts again from its checkpoint, since images were away: {ending.text}\n")


def _attempt(job: Job, report: Report) -> Ending:
    """Train a job and return its ending."""
    try:
        with node_data.local(job) as here, _Room() as place:
            return Ending(final=_train(checkpoints.Folder(here), place, report))
    except lease.Superseded:
        raise
    except AutomlError as error:
        return _stopped(job, error)
    except OSError as error:
        if error.errno in TRANSIENT and not data_mount.is_away(job):
            raise  # a storage failure, not one of the training: counts as a lost worker
        return _crashed(error)
    except Exception as error:  # noqa: BLE001  (the one place where a crash becomes a FAILED trial with its cause)
        return _crashed(error)


def _stopped(job: Job, error: AutomlError) -> Ending:
    """Return the ending of a training that cannot continue; with a larger share of its GPU one may."""
    if isinstance(error, RecordError):
        return Ending(cause=str(error), again=True)  # says nothing about the params, and the next attempt repairs it
    if isinstance(error, DataError):
        return Ending(cause=str(error), kind=EndReason.DATA)
    reason = error.reason if isinstance(error, TrialError) else None
    return Ending(cause=str(error), kind=reason, again=reason is EndReason.MEMORY and job.shares_gpu)


class _Room:
    """A scratch folder for a block. One that fails while the local disk is full waits for room, and is a lost worker.

    The params have no part in it: the trial is retried, here or on another node, and none of its failures counts.
    """

    def __enter__(self) -> Path:
        """Return the folder."""
        self._place = retry_on_outage(Path("local disk"), _made)
        return self._place

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        """Delete the folder; raise OSError in place of an error that a full disk may have caused."""
        failed = kind is not None and issubclass(kind, Exception) and not issubclass(kind, lease.Superseded)
        full = failed and local_disk.is_full()
        size = local_disk.written(self._place) if full else 0
        shutil.rmtree(self._place, ignore_errors=True)
        if full:
            place = local_disk.folder()
            retry_on_outage(place, partial(local_disk.need, 2 * size + local_disk.MARGIN))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place)) from error


def _made() -> Path:
    local_disk.folder()
    return scratch.make()


def _crashed(error: Exception) -> Ending:
    traceback.print_exception(error)
    return Ending(cause=f"{type(error).__name__}: {error}"[:1000], again=True)


def _train(folder: checkpoints.Folder, place: Path, report: Report) -> Measurement:
    job, weights = folder.job, place / "weights"
    trainer = trainer_of(job)
    weights.mkdir(parents=True)
    folder.delete_partial_files()
    environment.record(job)
    curves = list(retry_on_outage(job.folder, partial(checkpoints.known_curves, folder)))
    checkpoint, done = checkpoints.newest(folder, most=len(curves))
    del curves[done:]
    counted = (
        checkpoints.repair_best(folder, curves, unpack=partial(checkpoints.unpack, job, checkpoint, weights / LAST))
        if checkpoint
        else 1
    )
    for measurement in curves[max(job.known - 1, 0) :]:
        report(measurement)

    def on_epoch(measurement: Measurement, made: Path, state: Path, shown: EpochDetails) -> None:
        curves.append(measurement)
        folder.check()
        curves_file.write_curves(job.folder, curves)
        folder.show(measurement.epoch, shown)
        folder.save_state(state)
        if checkpoints.best_epoch(curves[counted - 1 :], job.metric) == measurement.epoch:
            folder.copy(made, BEST)
        # The trainer evaluates this file at the end; ours follows the study's own metric.
        checkpoints.copy_best(job, made.parent)
        report(measurement)

    if checkpoint and done >= job.epochs:
        metrics = _evaluate_again(job, checkpoints.unpack(job, checkpoint, weights / LAST).parent)
    else:
        metrics = trainer.train(job, place, state=checkpoint, on_epoch=on_epoch)
    if job.split != "val":
        metrics, stats = trainer.judge(weights / BEST, job, split=job.split)
        folder.check()
        stats.save(job.folder / JUDGED)
    checkpoints.finish(folder, weights)
    changed = curves[-1].changed if curves else ""
    return Measurement(job.epochs, metrics, seconds=sum(m.seconds for m in curves), changed=changed)


def _evaluate_again(job: Job, weights: Path) -> dict[str, float]:
    """Finish a training that was killed after its last epoch: strip the best weights and evaluate them."""
    checkpoints.copy_best(job, weights)
    trainer = trainer_of(job)
    trainer.strip(weights / BEST)
    trainer.set_threads(job.threads)
    return trainer.validate(weights / BEST, job, split="val", as_trained=True)
