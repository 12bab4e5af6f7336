"""Searches in a few plain steps, of this project: look, then train; a portfolio that is halved; PASHA.

`look_then_train` trains random params for LOOK epochs each, and after LOOKED of them the best ones to the end, one
after another. `portfolio` halves given params at the rungs of the project's ladder. `pasha` is progressive ASHA after
Bohdal et al., ICLR 2023, arXiv:2207.06940, algorithm 1: promotion ASHA whose highest rung is raised to the next one
when the ranking of the two highest rungs differs by more than noise. Noise is their 90th percentile of the difference
between two trials whose curves cross at least twice. Its best trial is trained to the end once STARTS trials are drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from automl.hpo.asha import PausingAsha
from automl.hpo.sampler.encoding import Encoding
from automl.study import Answer, Params
from automl.study.ladder import ladder
from benchmarks.rivals.search_settings import SearchSettings

LOOK: Final = 2
LOOKED: Final = 20
STARTS: Final = 60
FIRST_RUNG: Final = 2
REDUCTION: Final = 3
PERCENTILE: Final = 90


@dataclass(slots=True)
class Seen:
    """A trial: its params and values."""

    params: Params
    values: list[float]


class Staged:
    """Trials by number; params come from a list, then at random."""

    def __init__(self, settings: SearchSettings, given: Sequence[Params] = ()) -> None:
        self.trials: list[Seen] = []
        self._given = [*([settings.space.defaults()] if settings.defaults_first else []), *given]
        self._encoding = Encoding(settings.space)
        self._random = np.random.default_rng(settings.seed)

    def start(self) -> tuple[int, Params]:
        """Return a new trial."""
        number = len(self.trials)
        drawn = self._encoding.decode(self._encoding.draw(1, self._random)[0])
        self.trials.append(Seen(self._given[number] if number < len(self._given) else drawn, []))
        return number, self.trials[number].params

    def told(self, number: int, params: Params) -> None:
        """Put the params in the place of those drawn."""
        self.trials[number].params = params

    def ended(self, number: int) -> None:
        """Learn nothing."""


class LookThenTrain(Staged):
    """Everything for a few epochs, then the best ones to the end."""

    def __init__(self, settings: SearchSettings) -> None:
        super().__init__(settings)
        self._whole: set[int] = set()

    def next(self) -> tuple[int, Params] | None:
        """Start a look, or train the best one that was only looked at."""
        if len(self.trials) < LOOKED:
            return self.start()
        if any(len(trial.values) < LOOK for trial in self.trials):
            return None
        left = [number for number in range(LOOKED) if number not in self._whole]
        if not left:
            return None
        best = max(left, key=lambda number: max(self.trials[number].values[:LOOK]))
        self._whole.add(best)
        return best, self.trials[best].params

    def measured(self, number: int, *, epoch: int, value: float, seconds: float) -> Answer:  # noqa: ARG002
        """Pause after the look."""
        self.trials[number].values.append(value)
        return Answer.PAUSE if epoch == LOOK and number not in self._whole else Answer.CONTINUE


class Halved(Staged):
    """Promotion ASHA over given params, then over random ones if there is a place for them."""

    def __init__(self, settings: SearchSettings, given: Sequence[Params] = (), *, most: int | None = None) -> None:
        super().__init__(settings, given)
        self._most = len(self._given) if most is None else most
        self.rungs = ladder(FIRST_RUNG, settings.max_epochs, REDUCTION)
        self.asha = PausingAsha(self.rungs, REDUCTION)
        self._running: set[int] = set()
        self._completed = False

    def next(self) -> tuple[int, Params] | None:
        """Advance a trial, else start one; at last train the best one to the end."""
        number = self.asha.advance_next()
        if number is None and len(self.trials) < self._most:
            number = self.start()[0]
        elif number is None and not self._running and not self._completed:
            number = self.asha.advance_leader()
        if number is None:
            return None
        self._running.add(number)
        return number, self.trials[number].params

    def measured(self, number: int, *, epoch: int, value: float, seconds: float) -> Answer:  # noqa: ARG002
        """Ask the rungs."""
        trial = self.trials[number]
        trial.values.append(value)
        if epoch not in self.rungs:
            return Answer.CONTINUE
        answer = self.asha.judge(number, epoch=epoch, value=max(trial.values)).answer
        if answer is Answer.PAUSE:
            self._running.discard(number)
        return answer

    def ended(self, number: int) -> None:
        """Take the trial from the rungs."""
        self._running.discard(number)
        self._completed = True
        self.asha.drop(number)


class Pasha(Halved):
    """Progressive ASHA: the highest rung is raised only while ranks still change."""

    def __init__(self, settings: SearchSettings) -> None:
        super().__init__(settings, most=STARTS)
        self._every = self.rungs
        self._restart(min(2, len(self._every)))

    def measured(self, number: int, *, epoch: int, value: float, seconds: float) -> Answer:
        """Ask the rungs below the highest; at the highest the trial waits, and the ranking is looked at."""
        trial = self.trials[number]
        if self._last and len(self.trials) == STARTS and epoch > self._last:
            trial.values.append(value)
            return Answer.CONTINUE
        answer = super().measured(number, epoch=epoch, value=value, seconds=seconds)
        if epoch == self._last and answer is Answer.CONTINUE and self._stable():
            answer = Answer.PAUSE
            self._running.discard(number)
        elif epoch == self._last and not self._stable() and self._height < len(self._every):
            self._restart(self._height + 1)
        return answer

    def _restart(self, height: int) -> None:
        """Use the lowest `height` rungs, with all that has been seen."""
        self._height = height
        self.rungs = self._every[:height]
        self._last = self.rungs[-1] if self.rungs else 0
        asha = PausingAsha(self.rungs, REDUCTION)
        for number, trial in enumerate(self.trials):
            for rung in self.rungs:
                if len(trial.values) >= rung:
                    score = max(trial.values[:rung]), float("inf")
                    asha.restore(number, epoch=rung, score=score, advanced=len(trial.values) > rung)
        self.asha = asha

    def _stable(self) -> bool:
        """Return True if the trials of the highest rung are in the same order as one rung below, up to noise."""
        if len(self.rungs) < 2:
            return False
        low, high = self.rungs[-2:]
        there = [trial for trial in self.trials if len(trial.values) >= high]
        before = sorted(there, key=lambda trial: -max(trial.values[:low]))
        after = sorted(there, key=lambda trial: -max(trial.values[:high]))
        noise = self._noise(there)
        near = (abs(max(a.values[:low]) - max(b.values[:low])) <= noise for a, b in zip(before, after, strict=True))
        return all(near)

    def _noise(self, there: Sequence[Seen]) -> float:
        found = []
        for one, other in combinations(there, 2):
            apart = np.array([a - b for a, b in zip(one.values, other.values, strict=False)])
            if np.count_nonzero(np.diff(np.sign(apart)) != 0) >= 2:
                found.append(abs(apart[-1]))
        return float(np.percentile(found, PERCENTILE)) if found else 0.0


def make(name: str, settings: SearchSettings) -> Staged:
    """Return `look_then_train` or `pasha`."""
    return LookThenTrain(settings) if name == "look_then_train" else Pasha(settings)
