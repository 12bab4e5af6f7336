"""Rules on a whole study: its parameters, their ranges, and its ladder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import log
from statistics import StatisticsError, correlation
from typing import Final, Self

from automl.hpo.sampler import importances
from automl.storage.journal import distributions
from automl.study import State, Trial
from automl.study.space import Integer, Real, SearchSpace, live
from automl.study.spec import LadderSpec
from automl.tracking.diagnosis import thresholds as limits
from automl.tracking.diagnosis.finding import Finding

NO_EFFECT: Final = "parameter without effect"
EDGE: Final = "best value at the edge"
SHORT: Final = "budget too short for the ladder"
TIED: Final = "first rung ties"
RANKS: Final = "first rung does not predict"
NAMES: Final = (NO_EFFECT, EDGE, SHORT, TIED, RANKS)
BEST: Final = 3
"""Trials whose values are looked at for the edge of a range."""


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """What is known of a study so far."""

    trials: Sequence[Trial]
    space: SearchSpace
    ladder: LadderSpec
    metric: str
    budget: int
    """Maximum number of trials."""
    shares: Mapping[str, float]
    """Importance of each parameter; empty where there are too few trials."""

    @classmethod
    def of(cls, trials: Sequence[Trial], space: SearchSpace, *, ladder: LadderSpec, metric: str, budget: int) -> Self:
        """Return the record of a study, with the importance of its parameters."""
        held = partial(distributions, space)
        shares = importances(trials, metric=metric, epoch=ladder.first_rung, distributions=held)
        return cls(trials, space, ladder, metric, budget, shares)

    def at(self, epoch: int) -> dict[int, float]:
        """Return the best value until an epoch of each trial that reached it, by number."""
        reached = [trial for trial in self.trials if trial.epoch >= epoch]
        return {t.number: value for t in reached if (value := t.best(self.metric, until=epoch)) is not None}


def findings(record: StudyRecord) -> list[Finding]:
    """Return what all rules find in a study so far."""
    rules = (without_effect, at_the_edge, budget_too_short, first_rung_ties, ranks_do_not_predict)
    return [finding for rule in rules for finding in rule(record)]


def without_effect(record: StudyRecord) -> Iterator[Finding]:
    """Yield a finding for each searched parameter with hardly any importance."""
    if len(record.at(record.ladder.first_rung)) < limits.FEWEST_TRIALS or len(record.shares) < 2:
        return
    least = limits.NO_EFFECT / len(record.shares)
    for name, share in record.shares.items():
        if share < least:
            yield Finding(
                NO_EFFECT, "", 0, f"{name} explains {share:.1%} of the spread at epoch {record.ladder.first_rung}",
                f"fix train.{name} in the next study, so that its trials go to the others",
                {"share": share, "parameters": len(record.shares)}, subject=name,
            )  # fmt: skip


def at_the_edge(record: StudyRecord) -> Iterator[Finding]:
    """Yield a finding for each number whose best values lie at an end of its range that can be moved."""
    ranked = _ranked(record)
    if len(ranked) < limits.FEWEST_TRIALS:
        return
    for name, parameter in record.space.parameters.items():
        part = live(parameter, ranked[0].params)
        same = [t for t in ranked[:BEST] if name in t.params and live(parameter, t.params) is part]
        if not isinstance(part, Real | Integer) or len(same) < BEST:
            continue
        places = [_place(part, float(trial.params[name])) for trial in same]
        for end, far in (("low", places), ("high", [1 - place for place in places])):
            bound = part.low if end == "low" else part.high
            natural = bound in (0, 1)  # a probability or a share ends there
            if not natural and far[0] <= limits.EDGE and max(far) <= limits.EDGE_OTHERS:
                value = float(ranked[0].params[name])
                yield Finding(
                    EDGE, "", 0,
                    f"the best {BEST} trials have {name} near {end}={bound:g}, the best one {value:.4g}",
                    f"move {end} of space.{name} outwards in the next study",
                    {"value": value, end: float(bound), "distance": far[0]}, subject=name,
                )  # fmt: skip


def budget_too_short(record: StudyRecord) -> Iterator[Finding]:
    """Yield a finding if the rungs would leave less than one trial for the last epoch."""
    factor, rungs = record.ladder.reduction_factor, record.ladder.rungs
    needed = factor ** len(rungs)
    if record.budget < needed:
        yield Finding(
            SHORT, "", 0,
            f"{record.budget} trials, but the rungs (epoch {', '.join(map(str, rungs))}) keep one in {factor} and need "
            f"{needed} to bring one to epoch {record.ladder.max_epochs}",
            f"set budget.trials to {needed} or more, or raise ladder.min_epochs",
            {"trials": record.budget, "needed": needed},
        )  # fmt: skip


def first_rung_ties(record: StudyRecord) -> Iterator[Finding]:
    """Yield a finding if most trials have learned nothing at the first rung."""
    rung = record.ladder.first_rung
    values = [*record.at(rung).values()]
    tied = sum(value < limits.TIED_VALUE for value in values)
    if len(values) >= limits.FEWEST_TRIALS and tied >= limits.TIED * len(values):
        yield Finding(
            TIED, "", 0,
            f"{tied} of {len(values)} trials stand below {limits.TIED_VALUE} at the first rung, epoch {rung}: nothing "
            "tells them apart",
            f"set ladder.min_epochs above {rung}, or start from pretrained weights",
            {"tied": tied, "trials": len(values)},
        )  # fmt: skip


def ranks_do_not_predict(record: StudyRecord) -> Iterator[Finding]:
    """Yield a finding if the order at the first rung says nothing on the order at the end."""
    rung, last = record.ladder.first_rung, record.ladder.max_epochs
    ended = record.at(last)
    early = record.at(rung)
    if rung == last or len(ended) < limits.PAIRS:
        return
    try:
        agreement = correlation(_ranks([early[n] for n in ended]), _ranks([*ended.values()]))
    except StatisticsError:  # all are equal
        return
    if agreement < limits.RANKS:
        yield Finding(
            RANKS, "", 0,
            f"the rank correlation of epoch {rung} with epoch {last} is {agreement:.2f} over {len(ended)} trials that "
            "reached the end",
            f"set ladder.min_epochs above {rung}",
            {"correlation": agreement, "trials": len(ended)},
        )  # fmt: skip


def _ranked(record: StudyRecord) -> list[Trial]:
    """Return the trials with a value, best first, those that were trained longest before others."""
    done = [trial for trial in record.trials if trial.best(record.metric) is not None and not trial.outside]
    return sorted(
        done, key=lambda trial: (trial.state is State.COMPLETED, trial.best(record.metric) or 0.0), reverse=True
    )


def _place(part: Real | Integer, value: float) -> float:
    """Return a value's place in its range, 0 to 1, on the scale it is drawn on.

    >>> round(_place(Real(1e-4, 1e-2, 1e-3, log=True), 1e-3), 6)
    0.5
    """
    if part.log:
        return log(value / part.low) / log(part.high / part.low)
    return (value - part.low) / (part.high - part.low)


def _ranks(values: Sequence[float]) -> list[float]:
    """Return the ranks of values, the mean rank for equal ones.

    >>> _ranks([0.3, 0.1, 0.3])
    [1.5, 0.0, 1.5]
    """
    ordered = sorted(values)
    return [ordered.index(value) + (ordered.count(value) - 1) / 2 for value in values]
