"""Active jobs: those on workers now, with their leases, heartbeats, hang detection and retry limits."""

import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from automl.storage import job_file, outage
from automl.study import Ending, Job, Loss, Measurement
from automl.study.spec_parts import ResourcesSpec
from automl.trials import checkpoints, heartbeat, lease, retry
from automl.trials.hang import HangDetector
from automl.trials.retry import Budget

LOG: Final = logging.getLogger(__name__)
PROBE: Final = 4096
"""Bytes, more than a heartbeat file has."""


class ActiveJobs:
    """The jobs of one source that are on workers now."""

    def __init__(self, resources: ResourcesSpec, clock: Callable[[], float]) -> None:
        """Start with none; the clock is in seconds."""
        self._jobs: dict[int, Job] = {}
        self._budget = Budget(lost=resources.retries, own=resources.own_retries)
        self._detector = HangDetector(resources.hung_minutes * 60, clock)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._jobs)

    def __contains__(self, number: object) -> bool:
        """Return True if a job is on a worker."""
        return number in self._jobs

    @property
    def jobs(self) -> Collection[Job]:
        """Return them."""
        return self._jobs.values()

    def start(self, job: Job, losses: Sequence[Loss] = ()) -> Job:
        """Return the job as a new attempt with a new lease; earlier attempts may no longer write.

        After `losses` of memory it has a larger share of a GPU.
        """
        if job_file.is_of_another(job):
            outage.retry_on_outage(job.folder, partial(checkpoints.start_over, job.folder))
            LOG.info(f"{job.folder} has another training than the journal; its state is deleted")
        gpus = retry.share(job.gpus, losses)
        if gpus != job.gpus:
            LOG.info(f"{job.folder.name} gets {gpus:g} of a GPU in place of {job.gpus:g}, since memory ran out")
        given = self._jobs[job.number] = replace(job, attempt=lease.acquire(job.folder), gpus=gpus)
        job_file.write(given)
        return given

    def release(self, number: int) -> None:
        """Record that a job has no worker any more."""
        self._jobs.pop(number, None)
        self._detector.forget(number)

    def ending_after(self, losses: Sequence[Loss], *, gpus: float) -> Ending | None:
        """Return how a job ends after its last loss, None while it may be retried; `gpus` is its first share."""
        return retry.ending(losses, self._budget, gpus=gpus)

    def report_wait(self, number: int) -> None:
        """Record that a job waits for its storage: it reports by message, since it cannot write heartbeats."""
        self._detector.forget(number)

    def measured(self, number: int, measurement: Measurement) -> None:
        """Record that a job has finished an epoch."""
        job = self._jobs.get(number)
        if job is None:
            return
        if measurement.epoch >= job.epochs:
            self._detector.unlimited(number)
        else:
            self._detector.measured(number, measurement.seconds, validated=job.metric in measurement.metrics)

    def hung(self) -> Mapping[int, str]:
        """Return the jobs that hang, and why; checked every few seconds.

        If this process cannot write to the storage, missing heartbeats do not count.
        """
        if not self._detector.due():
            return {}
        found = self._detector.check(
            {number: _last_beat(job.folder, job.attempt) for number, job in self._jobs.items()}
        )
        for number in [number for number in found if not _writable(self._jobs[number].folder)]:
            self._detector.forget(number)
            del found[number]
        return found


def _writable(folder: Path) -> bool:
    probe = folder / f".probe-{os.getpid()}"
    try:
        probe.write_bytes(bytes(PROBE))
        probe.unlink()
    except OSError:
        return False
    return True


def _last_beat(folder: Path, attempt: int) -> str | None:
    """Return the time of an attempt's last heartbeat, by its own clock; None before the first."""
    beat = heartbeat.read(folder)
    return beat.at if beat and beat.attempt == attempt else None
