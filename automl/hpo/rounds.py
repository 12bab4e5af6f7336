"""Rounds of a confirmation: re-trainings that run together, and their results."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from automl.study import Score


class Stage(StrEnum):
    """Purpose of a round."""

    OPENING = "opening"
    CHOOSING = "choosing"
    JUDGING = "judging"


@dataclass(frozen=True, slots=True)
class Retraining:
    """Values of one re-training: on val, by which trials are chosen, and on the judged split."""

    on_val: float
    score: Score


Results = Mapping[str, Mapping[int, Retraining]]
"""Maps side (`default`, `trial7`) and seed offset to the values reached; failed re-trainings are left out."""


@dataclass(frozen=True, slots=True)
class Round:
    """Re-trainings that run together, followed by a look at the judged split."""

    stage: Stage
    wanted: Mapping[str, Sequence[int]]
    """Maps a side to the offsets of its seeds."""
    side: str
    """The side whose gain is tested after the round."""
    since: int = 0
    """The first of its seeds that judges it; the seeds before chose it."""
    share: float = 0.0
    """The level of the look as a share of the error; 0 if there is no look."""
    why: str = ""
    planned: int = 0
    """The most re-trainings for which the levels of all looks were calculated together; 0: each spends its share."""

    @property
    def size(self) -> int:
        """Return the number of re-trainings."""
        return sum(len(offsets) for offsets in self.wanted.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the round as JSON-serialisable values."""
        return asdict(self) | {"wanted": {side: list(offsets) for side, offsets in self.wanted.items()}}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Build a round from the output of `to_dict`."""
        return cls(**{**plain, "stage": Stage(plain["stage"])})


def side_of(number: int) -> str:
    """Return the name of a trial's side.

    >>> side_of(7)
    'trial7'
    """
    return f"trial{number}"


def summary(played: Round) -> str:
    """Return a round as text.

    >>> summary(Round(Stage.OPENING, {"trial7": (0, 1, 2), "default": (0, 1, 2)}, "trial7"))
    'confirming, opening: 3 seeds of trial7, 3 seeds of default'
    """
    seeds = ", ".join(f"{len(offsets)} seeds of {side}" for side, offsets in played.wanted.items() if offsets)
    return f"confirming, {played.stage}: {seeds}" + (f"; {played.why}" if played.why else "")


def last_look(rounds: Sequence[Round]) -> Round:
    """Return the last round that was followed by a look at the judged split: at least the opening."""
    return [played for played in rounds if played.share][-1]


def next_offset(rounds: Sequence[Round], side: str) -> int:
    """Return the offset of the next seed of a side."""
    return 1 + max((offset for played in rounds for offset in played.wanted.get(side, ())), default=-1)
