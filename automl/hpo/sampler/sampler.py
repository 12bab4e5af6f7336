"""Sampler: draws the default first, then points near it or at random, then those of the model (`acquisition`).

Each trial counts with its forecast final value, whether it has ended, was stopped, is paused or runs, so a stopped
trial's low value is not taken for a bad final value (docs/decisions has the measured gain).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import nan
from typing import Final

import numpy as np

from automl.hpo.sampler.acquisition import Proposal
from automl.hpo.sampler.encoding import Encoding, Points
from automl.hpo.sampler.observations import Observations, ObservedTrial
from automl.hpo.sampler.transfer_prior import TransferPrior
from automl.study import EndReason, Params, ParamValue, PastEvidence, State, Trial, structure
from automl.study.space import SearchSpace

LOG: Final = logging.getLogger(__name__)

FAILURES: Final = (ArithmeticError, AssertionError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What Optuna, torch, scipy and numpy raise where a model cannot be fitted or asked; LinAlgError is among them."""
LONGEST_CAUSE: Final = 200
STARTS: Final = 6
"""Trials after the default before the model is used; the best of past studies, if named, are the first of them."""
NEAR_DEFAULT: Final = 0.5
"""Share of these that are drawn near the default params."""
WIDTH: Final = 0.3
"""Their width as a share of a parameter's range."""
RANDOM_SHARE: Final = 0.05
"""Share of all trials drawn at random, in case early ranks mislead."""
SEEDED: Final = 3
"""Trials after the default that are the best of past studies."""


@dataclass(frozen=True, slots=True)
class Prior:
    """Knowledge before the first trial."""

    earlier: Sequence[PastEvidence] = ()
    baseline: Params | None = None
    """Params of trial 0; None: the space's default."""
    allowed: tuple[Params, ...] = ()
    """Structures that no constraint excludes (`study.structure`), the dearest first; empty: all."""
    portfolio: Sequence[Params] = ()
    """Params of the space that are tried after the default."""
    costs: tuple[float, ...] = ()
    """The second objective of each of `allowed`; empty: the metric alone counts."""
    lengths: Mapping[str, float] = field(default_factory=dict)
    """Length scales of the model that are known from other data sets, as shares of a parameter's range."""


def starts_of(
    space: SearchSpace, baseline: Params | None, allowed: tuple[Params, ...] = ()
) -> list[tuple[Params, str]]:
    """Return the first params of a study and their origin: the baseline, then the space's default if it differs.

    Where a constraint excludes their structure, they have the dearest one that is allowed.
    """
    default = _permitted(space, space.defaults(), allowed)
    if baseline is None:
        return [(default, "default")]
    baseline = _permitted(space, baseline, allowed)
    return [(baseline, "baseline"), *([] if dict(baseline) == dict(default) else [(default, "default")])]


def _permitted(space: SearchSpace, params: Params, allowed: tuple[Params, ...]) -> Params:
    if not allowed or any(structure.has(params, combination) for combination in allowed):
        return params
    return structure.moved(space, params, allowed[0])


def _by_limit(space: SearchSpace, prior: Prior) -> list[Encoding]:
    """Return for each cost the encoding of the structures that cost no more; empty without a second objective.

    A draw takes one of them at random: the best value at no more than some cost, for every cost, is the Pareto front
    (the epsilon-constraint method).
    """
    pairs = [*zip(prior.allowed, prior.costs, strict=True)] if prior.costs else []
    limits = sorted({cost for _, cost in pairs})
    return [Encoding(space, tuple(one for one, cost in pairs if cost <= limit)) for limit in limits]


class Sampler:
    """Draws params and records every trial. Numbers are the study's trial numbers, without gaps."""

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int,
        metric: str,
        max_epochs: int,
        prior: Prior = Prior(),
    ) -> None:
        """Start with an empty history."""
        self._encoding = Encoding(space, prior.allowed)
        self._within = _by_limit(space, prior)
        self._starts = starts_of(space, prior.baseline, prior.allowed)
        self._after_default = len(self._starts) - 1
        self._starts += [(_permitted(space, params, prior.allowed), "portfolio") for params in prior.portfolio]
        self._seed = seed
        self._metric = metric
        self._max_epochs = max_epochs
        self._seen = Observations()
        self._transfer = TransferPrior(self._encoding, prior.earlier)
        self._lengths = np.array([prior.lengths.get(name, nan) for name in space.parameters])
        self._proposal: Proposal | None = None
        self._failed = False

    @property
    def starts(self) -> int:
        """Return the number of first trials whose params are given: baseline, default and portfolio."""
        return len(self._starts)

    def draw(self) -> tuple[dict[str, ParamValue], str]:
        """Return params and their origin: `baseline`, `default`, `portfolio`, `near default`, `earlier` or the like.

        The others are `random` and `model`.
        They depend on the seed, the number of trials and the history only, so a resumed study draws what an
        uninterrupted one would. No state changes until the trial is added.
        """
        number = len(self._seen)
        generator = np.random.default_rng([self._seed, number])
        origin = self._origin(number, generator)
        if number < len(self._starts):
            return dict(self._starts[number][0]), origin  # encoding as a point would round them
        within = self._within[int(generator.integers(len(self._within)))] if self._within else self._encoding
        if origin == "near default":
            point = within.near(self._encoding.default[None], generator, width=WIDTH)[0]
        elif origin == "earlier":
            point = within.restricted(self._transfer.best(number - len(self._starts))[None], generator)[0]
        elif origin == "random":
            point = within.draw(1, generator)[0]
        else:
            point, origin = self._of_model(number, generator, within)
        return self._encoding.decode(point), origin

    def _of_model(self, number: int, generator: np.random.Generator, within: Encoding) -> tuple[Points, str]:
        """Return the model's point; a random one, said once, where the model fails."""
        try:
            self._proposal = self._proposal or Proposal(
                self._encoding, self._seen, self._transfer, self._max_epochs, lengths=self._lengths
            )
            return self._proposal.best(generator, within), "model"
        except FAILURES as error:
            if not self._failed:
                cause = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST_CAUSE]
                LOG.warning(f"sampler: its model failed ({cause}); trial {number}, and others so, are drawn at random")
            self._failed, self._proposal = True, None
            return within.draw(1, np.random.default_rng([self._seed, number]))[0], "random"

    def add(self, trial: Trial) -> None:
        """Record a new trial, or one of an earlier session with its measurements."""
        params = {} if trial.outside else trial.params
        seen = ObservedTrial(self._encoding.encode([params])[0], outside=trial.outside)
        seen.record(trial.measurements, self._metric)
        self._seen.add(trial.number, seen)
        if trial.ending:
            self.tell(trial)
        elif trial.measurements:
            self.invalidate()
        elif self._proposal:
            self._proposal.runs(seen.point)

    def observe(self, trial: Trial) -> None:
        """Record the last measurement of a trial."""
        self._seen[trial.number].record(trial.measurements[-1:], self._metric)
        self._seen.changed(trial.number)

    def invalidate(self) -> None:
        """Mark the model as outdated, to be fitted again before the next draw: a trial has reached a rung."""
        self._proposal = None

    def tell(self, trial: Trial) -> None:
        """Record how a trial ended; a failure of its own, or memory too small, makes its params infeasible."""
        lost = trial.ending is not None and trial.ending.reason in {EndReason.LOST, EndReason.DATA}
        self._seen[trial.number].infeasible = bool(trial.changed) or (trial.state is State.FAILED and not lost)
        self._seen[trial.number].runs = False
        self._seen.changed(trial.number)
        self._proposal = None

    def _origin(self, number: int, generator: np.random.Generator) -> str:
        if number < len(self._starts):
            return self._starts[number][1]
        place = number - len(self._starts) + 1
        number -= self._after_default
        if generator.random() < RANDOM_SHARE:
            return "random"
        if place <= SEEDED and place <= self._transfer.places:
            return "earlier"
        if number <= STARTS or len([*islice((one for one in self._seen.values() if one.has_value), 3)]) < 3:
            return "near default" if generator.random() < NEAR_DEFAULT else "random"
        return "model"
