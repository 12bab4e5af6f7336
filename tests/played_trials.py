"""Trials played through a sampler, as a study does: the facts of each, in the order in which they come to be known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from automl.hpo.sampler import Prior, Sampler
from automl.study import Ending, EndReason, Measurement, Params, PastEvidence, Trial
from automl.study.space import SearchSpace
from tests.builders import METRIC, measurement, mixed_space, trial_of

SPACE = mixed_space()
Judge = Callable[[Params], float]
"""Params to the value that a training of them ends with."""


def sampler_of(space: SearchSpace = SPACE, *, seed: int = 0, earlier: Sequence[PastEvidence] = ()) -> Sampler:
    return Sampler(space, seed=seed, metric=METRIC, max_epochs=6, prior=Prior(earlier))


@dataclass
class Story:
    """A sampler and the trials that it was told of."""

    sampler: Sampler
    trials: list[Trial] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)

    def start(self) -> Trial:
        params, origin = self.sampler.draw()
        trial = trial_of(len(self.trials), params=params)
        self.trials.append(trial)
        self.origins.append(origin)
        self.sampler.add(trial)
        return trial

    def measure(self, number: int, measured: Measurement) -> None:
        trial = self.trials[number]
        self.trials[number] = replace(trial, measurements=(*trial.measurements, measured))
        self.sampler.observe(self.trials[number])

    def end(self, number: int, ending: Ending) -> None:
        self.trials[number] = replace(self.trials[number], ending=ending)
        self.sampler.tell(self.trials[number])

    def complete(self, judge: Judge, *, seconds: Callable[[Params], float] = lambda _params: 2.0) -> Trial:
        """Train the next trial to its end."""
        trial = self.start()
        for epoch in range(1, 7):
            value = judge(trial.params) * epoch / 6
            self.measure(trial.number, replace(measurement(epoch, value), seconds=seconds(trial.params)))
        self.end(trial.number, Ending(final=measurement(6, judge(trial.params))))
        return self.trials[trial.number]

    def fail(self, cause: str = "out of memory", *, kind: EndReason | None = None) -> Trial:
        trial = self.start()
        self.end(trial.number, Ending(cause=cause, kind=kind))
        return self.trials[trial.number]

    def drawn(self, origin: str) -> list[Params]:
        """Return the params that come from there."""
        return [trial.params for trial, found in zip(self.trials, self.origins, strict=True) if found == origin]


def resumed(trials: Sequence[Trial], sampler: Sampler) -> Story:
    """Return the story that a new session makes of what the journal holds."""
    for trial in trials:
        sampler.add(trial)
    return Story(sampler, list(trials), [""] * len(trials))
