"""Rows, rungs and curves of a live study as values; each says in which version it changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from automl.study import Trial
from automl.study.text import shown

Point = tuple[int, float]
"""Epoch and objective."""


@dataclass(frozen=True, slots=True)
class Row:
    """One trial as its row shows it."""

    number: int
    state: str
    epoch: int
    value: float | None
    seconds: int
    params: str
    reason: str
    curve: tuple[Point, ...]
    """The objective by epoch."""
    version: int
    """Version in which the row changed."""
    since: int
    """Version in which the row appeared: its params do not change afterwards."""
    stamps: tuple[int, ...]
    """For each point of the curve, the version in which it came."""

    def points_after(self, version: int) -> tuple[int, tuple[Point, ...]]:
        """Return the place from which the curve is another one than in a version, and the points from there."""
        at = next((place for place, stamp in enumerate(self.stamps) if stamp > version), len(self.curve))
        return at, self.curve[at:]


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung: its epoch, the trials that reached it, those that went further, and the best value there."""

    epoch: int
    reached: int
    further: int
    best: float | None


@dataclass(frozen=True, slots=True)
class Best:
    """A trial's last epoch, and its best value until each rung."""

    epoch: int
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """One version of a study's rows and rungs."""

    version: int = 0
    """Grows with each change of a row."""
    rows: Mapping[int, Row] = field(default_factory=dict)
    rungs: tuple[Rung, ...] = ()

    def after(self, version: int) -> list[Row]:
        """Return the rows that changed after a version."""
        return [row for row in self.rows.values() if row.version > version]


def row_of(trial: Trial, state: str, *, metric: str, version: int, before: Row | None = None) -> Row:
    """Return a trial as a row of a version; `before` is its row until then."""
    value = trial.best(metric)
    curve = tuple((one.epoch, round(one.metrics[metric], 4)) for one in trial.measurements if metric in one.metrics)
    pairs = zip(curve, before.curve, strict=False) if before else ()
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    stamps = (*(before.stamps[:same] if before else ()), *(version for _ in curve[same:]))
    return Row(
        number=trial.number, state=state, epoch=trial.epoch, value=None if value is None else round(value, 4),
        seconds=round(trial.seconds), params=before.params if before else shown(trial.params),
        reason=str(trial.ending.reason) if trial.ending else "", curve=curve, version=version,
        since=before.since if before else version, stamps=stamps,
    )  # fmt: skip


def best_until(trial: Trial, rungs: Sequence[int], *, metric: str) -> Best:
    """Return a trial's best value until each rung; None where it has none."""
    pairs = [(one.epoch, one.metrics[metric]) for one in trial.measurements if metric in one.metrics]
    return Best(trial.epoch, tuple(max((value for at, value in pairs if at <= epoch), default=None) for epoch in rungs))


def rungs_of(epochs: Sequence[int], bests: Sequence[Best]) -> tuple[Rung, ...]:
    """Return the rungs of a ladder; a value counts at a rung that its trial reached."""
    return tuple(_rung(epoch, place, bests) for place, epoch in enumerate(epochs))


def _rung(epoch: int, place: int, bests: Sequence[Best]) -> Rung:
    reached = [one for one in bests if one.epoch >= epoch]
    values = [value for one in reached if (value := one.values[place]) is not None]
    return Rung(epoch, len(reached), sum(one.epoch > epoch for one in reached), max(values, default=None))
