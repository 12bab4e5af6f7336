"""Which running trials hang: nothing was heard of them for too long, or their epoch takes far longer than others did.

Told of what is heard and of the time that passes, by the driver's own clock only: those of the nodes may differ.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

SLOW: Final = 10.0
"""An epoch takes too long when it takes so many times the longest that the study has seen."""
PERIOD: Final = 5.0
"""Seconds between two looks."""


@dataclass(slots=True)
class _Sign:
    token: object
    """What was heard last."""
    heard: float
    epoch: float
    """When the last epoch was measured, or the attempt was first heard of."""


@dataclass(slots=True)
class Watch:
    """Watches the running trials of a study."""

    patience: float
    """Seconds of silence that are too long; also the least that an epoch may take."""
    clock: Callable[[], float]
    _signs: dict[int, _Sign] = field(default_factory=dict)
    _looked: float = 0.0
    _longest: float = 0.0

    def measured(self, number: int, seconds: float) -> None:
        """Take in that a trial has finished an epoch that took so many seconds."""
        self._longest = max(self._longest, seconds)
        if number in self._signs:
            self._signs[number].epoch = self.clock()

    def forget(self, number: int) -> None:
        """Take in that a trial has left its worker."""
        self._signs.pop(number, None)

    def due(self) -> bool:
        """Tell whether it is time for a look; if this process itself stood still, all are given their time anew."""
        passed = self.clock() - self._looked
        if passed < PERIOD:
            return False
        if passed > max(self.patience / 2, 2 * PERIOD):
            self._signs.clear()
        self._looked = self.clock()
        return True

    def look(self, tokens: Mapping[int, object]) -> dict[int, str]:
        """Return which trials hang, and why, given the last sign of each that runs; None for one not heard of yet."""
        now = self.clock()
        for number, token in tokens.items():
            if token is None:
                continue
            sign = self._signs.setdefault(number, _Sign(token, now, now))
            if sign.token != token:
                sign.token, sign.heard = token, now
        return {number: why for number in tokens if (why := self._hangs(number, now))}

    def _hangs(self, number: int, now: float) -> str:
        sign = self._signs.get(number)
        if sign is None:
            return ""
        if now - sign.heard > self.patience:
            return f"not heard for {now - sign.heard:.0f} s"
        limit = max(self.patience, SLOW * self._longest)
        if self._longest and now - sign.epoch > limit:
            return f"its epoch takes longer than {limit:.0f} s; the longest so far took {self._longest:.0f} s"
        return ""
