"""The jobs that are with workers: given out as attempts, listened to, given up when they hang."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from automl.storage import job_file
from automl.study import Ending, Job, Loss, Measurement
from automl.study.spec import ResourcesSpec
from automl.trials import heartbeat, lease, retry
from automl.trials.hang import Watch
from automl.trials.retry import Budget

PROBE: Final = 4096
"""Bytes, more than a heartbeat holds."""


class ActiveJobs:
    """The jobs of one source that are with workers now."""

    def __init__(self, resources: ResourcesSpec, clock: Callable[[], float]) -> None:
        """Start with none; the clock is in seconds."""
        self._jobs: dict[int, Job] = {}
        self._budget = Budget(lost=resources.retries, own=resources.own_retries)
        self._watch = Watch(resources.hung_minutes * 60, clock)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._jobs)

    def __contains__(self, number: object) -> bool:
        """Return True if a job is with a worker."""
        return number in self._jobs

    @property
    def jobs(self) -> Collection[Job]:
        """Return them."""
        return self._jobs.values()

    def give(self, job: Job) -> Job:
        """Return the job as the next attempt at it; its folder knows of it, so that no earlier one writes any more."""
        given = self._jobs[job.number] = replace(job, attempt=lease.give(job.folder))
        job_file.write(given)
        return given

    def leave(self, number: int) -> None:
        """Record that a job has no worker any more."""
        self._jobs.pop(number, None)
        self._watch.forget(number)

    def ending_after(self, losses: Sequence[Loss]) -> Ending | None:
        """Return how a job ends after its last loss, None while it may be retried."""
        return retry.ending(losses, self._budget)

    def troubled(self, number: int) -> None:
        """Record that a job waits for its storage: it cannot write that it lives, and says so in another way."""
        self._watch.forget(number)

    def measured(self, number: int, measurement: Measurement) -> None:
        """Record that a job has finished an epoch."""
        job = self._jobs.get(number)
        if job is None:
            return
        if measurement.epoch >= job.epochs:
            self._watch.unlimited(number)
        else:
            self._watch.measured(number, measurement.seconds, telling=job.metric in measurement.metrics)

    def hung(self) -> Mapping[int, str]:
        """Return which jobs hang, and why; looked for every few seconds.

        Where this process cannot write beside them, they cannot say that they live either.
        """
        if not self._watch.due():
            return {}
        found = self._watch.look({number: _sign(job.folder, job.attempt) for number, job in self._jobs.items()})
        for number in [number for number in found if not _writable(self._jobs[number].folder)]:
            self._watch.forget(number)
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


def _sign(folder: Path, attempt: int) -> str | None:
    """Return when an attempt was last heard of, by its own clock; None where it was not yet."""
    beat = heartbeat.heard(folder)
    return beat.at if beat and beat.attempt == attempt else None
