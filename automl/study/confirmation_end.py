"""Why a confirmation ended, and at which look."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


class Why(StrEnum):
    """Why no further round was trained."""

    SHOWN = "shown"
    """The gain is significant."""
    UNREACHABLE = "unreachable"
    """It is unlikely that the re-trainings left would show a gain."""
    SPENT = "spent"
    """`confirm.retrainings` is spent."""
    TIME = "time"
    """`budget.total_hours` has no time for a further round."""


TEXTS = {
    Why.SHOWN: "the gain is significant",
    Why.UNREACHABLE: "the re-trainings left would hardly show a gain",
    Why.SPENT: "all re-trainings allowed are spent",
    Why.TIME: "budget.total_hours leaves no time for more",
}


@dataclass(frozen=True, slots=True)
class ConfirmationEnd:
    """The end of a confirmation."""

    looks: int
    """Number of looks: each compares both sides after a round."""
    why: Why

    @property
    def text(self) -> str:
        """Return it as text.

        >>> ConfirmationEnd(2, Why.SHOWN).text
        'ended at look 2: the gain is significant'
        """
        return f"ended at look {self.looks}: {TEXTS[self.why]}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return {"looks": self.looks, "why": str(self.why)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read the output of `to_dict`.

        Raises:
            ValueError: the reason is not known.
        """
        return cls(int(plain["looks"]), Why(plain["why"]))
