"""Which trials of this run are paused, and which of them the source wants to go on."""

from collections import deque

from ray.tune.experiment import Trial as RayTrial

from automl.study import Job


class Paused:
    """The trials that left their worker, and those of them that shall go on, in the order the source named them."""

    def __init__(self) -> None:
        """Start with none."""
        self._left: dict[int, RayTrial] = {}
        self._called: deque[RayTrial] = deque()

    def add(self, number: int, trial: RayTrial) -> None:
        """Record a trial that left its worker."""
        self._left[number] = trial

    def call(self, job: Job) -> bool:
        """Let the paused trial of this number go on, with the job as it is now; False where none is paused."""
        trial = self._left.pop(job.number, None)
        if trial is None:
            return False
        trial.set_config({"job": job.to_dict()})
        self._called.append(trial)
        return True

    def next(self) -> RayTrial | None:
        """Return the first called one that Tune has not taken up yet."""
        while self._called and self._called[0].status != RayTrial.PAUSED:
            self._called.popleft()
        return self._called[0] if self._called else None

    def empty(self) -> list[RayTrial]:
        """Return the trials that were not called and forget them."""
        left = list(self._left.values())
        self._left.clear()
        return left
