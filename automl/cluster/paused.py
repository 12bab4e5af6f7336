"""Paused trials of a run, and those of them that the source resumes."""

from collections import deque

from ray.tune.experiment import Trial as RayTrial

from automl.study import Job


class Paused:
    """Paused trials, and a queue of those to resume, in the order of the source."""

    def __init__(self) -> None:
        """Start with none."""
        self._paused: dict[int, RayTrial] = {}
        self._queued: deque[RayTrial] = deque()

    def add(self, number: int, trial: RayTrial) -> None:
        """Record a trial that was paused."""
        self._paused[number] = trial

    def queue(self, job: Job) -> bool:
        """Queue the paused trial of this number to resume, with the job as it is now; False if it is not paused."""
        trial = self._paused.pop(job.number, None)
        if trial is None:
            return False
        trial.set_config({"job": job.to_dict()})
        self._queued.append(trial)
        return True

    def next(self) -> RayTrial | None:
        """Return the first queued trial that Tune has not resumed yet."""
        while self._queued and self._queued[0].status != RayTrial.PAUSED:
            self._queued.popleft()
        return self._queued[0] if self._queued else None

    def empty(self) -> list[RayTrial]:
        """Return the trials that were not queued and clear them."""
        paused = list(self._paused.values())
        self._paused.clear()
        return paused
