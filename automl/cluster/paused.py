"""Paused trials of a run, and those of them that the source resumes."""

from collections import deque

from ray.tune.experiment import Trial as RayTrial

from automl.study import Job


class Paused:
    """Paused trials, and a queue of those to resume, in the order of the source."""

    def __init__(self) -> None:
        """Start with none."""
        self._left: dict[int, RayTrial] = {}
        self._called: deque[RayTrial] = deque()

    def add(self, number: int, trial: RayTrial) -> None:
        """Record a trial that was paused."""
        self._left[number] = trial

    def call(self, job: Job) -> bool:
        """Queue the paused trial of this number to resume, with the job as it is now; False if it is not paused."""
        trial = self._left.pop(job.number, None)
        if trial is None:
            return False
        trial.set_config({"job": job.to_dict()})
        self._called.append(trial)
        return True

    def next(self) -> RayTrial | None:
        """Return the first queued trial that Tune has not resumed yet."""
        while self._called and self._called[0].status != RayTrial.PAUSED:
            self._called.popleft()
        return self._called[0] if self._called else None

    def empty(self) -> list[RayTrial]:
        """Return the trials that were not queued and clear them."""
        left = list(self._left.values())
        self._left.clear()
        return left
