"""The rounds of a confirmation: which re-trainings run together, and what they gave."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from automl.study import Score


class Stage(StrEnum):
    """What a round is for."""

    OPENING = "opening"
    CHOOSING = "choosing"
    JUDGING = "judging"


@dataclass(frozen=True, slots=True)
class Retraining:
    """What one re-training reached: on val, by which trials are chosen, and on the judged split."""

    on_val: float
    score: Score


Results = Mapping[str, Mapping[int, Retraining]]
"""Side (`default`, `trial7`) to offset of the seed to what was reached; a failed re-training is left out."""


@dataclass(frozen=True, slots=True)
class Round:
    """Re-trainings that run together, and the look at the judged split that follows them."""

    stage: Stage
    wanted: Mapping[str, Sequence[int]]
    """Side to offsets of its seeds."""
    side: str
    """Whose gain is looked at after the round."""
    since: int = 0
    """The first of its seeds that judges; those before chose it."""
    share: float = 0.0
    """The part of the allowed error that the look spends; 0 where nobody looks."""
    why: str = ""

    @property
    def size(self) -> int:
        """Return the number of re-trainings."""
        return sum(len(offsets) for offsets in self.wanted.values())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self) | {"wanted": {side: list(offsets) for side, offsets in self.wanted.items()}}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(**{**plain, "stage": Stage(plain["stage"])})


def side_of(number: int) -> str:
    """Return the name of a trial's side.

    >>> side_of(7)
    'trial7'
    """
    return f"trial{number}"


def told(played: Round) -> str:
    """Return a round in words.

    >>> told(Round(Stage.OPENING, {"trial7": (0, 1, 2), "default": (0, 1, 2)}, "trial7"))
    'confirming, opening: 3 seeds of trial7, 3 seeds of default'
    """
    seeds = ", ".join(f"{len(offsets)} seeds of {side}" for side, offsets in played.wanted.items() if offsets)
    return f"confirming, {played.stage}: {seeds}" + (f"; {played.why}" if played.why else "")


def last_look(rounds: Sequence[Round]) -> Round:
    """Return the round after which the judged split was looked at last: the opening at least."""
    return [played for played in rounds if played.share][-1]
