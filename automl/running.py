"""The jobs that are with workers: given out as attempts, listened to, given up when they hang."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

from automl import attempts, card
from automl.records import Job
from automl.watch import Watch


class Running:
    """The jobs of one source that are with workers now."""

    def __init__(self, *, hung_minutes: float, clock: Callable[[], float]) -> None:
        """Start with none; the clock is in seconds."""
        self._jobs: dict[int, Job] = {}
        self._watch = Watch(hung_minutes * 60, clock)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._jobs)

    def __contains__(self, number: object) -> bool:
        """Tell whether a job is with a worker."""
        return number in self._jobs

    @property
    def jobs(self) -> Collection[Job]:
        """Return them."""
        return self._jobs.values()

    def give(self, job: Job) -> Job:
        """Return the job as the next attempt at it; its folder knows of it, so that no earlier one writes any more."""
        given = self._jobs[job.number] = replace(job, attempt=attempts.give(job.folder))
        card.write(given)
        return given

    def leave(self, number: int) -> None:
        """Take in that a job has no worker any more."""
        self._jobs.pop(number, None)
        self._watch.forget(number)

    def troubled(self, number: int) -> None:
        """Take in that a job waits for its storage: it cannot write that it lives, and says so in another way."""
        self._watch.forget(number)

    def measured(self, number: int, seconds: float) -> None:
        """Take in that an epoch took so many seconds."""
        self._watch.measured(number, seconds)

    def hung(self) -> Mapping[int, str]:
        """Return which jobs hang, and why; looked for every few seconds."""
        if not self._watch.due():
            return {}
        return self._watch.look({number: _sign(job.folder, job.attempt) for number, job in self._jobs.items()})


def _sign(folder: Path, attempt: int) -> str | None:
    """Return when an attempt was last heard of, by its own clock; None where it was not yet."""
    beat = attempts.heard(folder)
    return beat.at if beat and beat.attempt == attempt else None
