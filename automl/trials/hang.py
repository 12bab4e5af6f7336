"""Which running trials hang: nothing was heard of them for too long, or an epoch takes far longer than those before.

Told of what is heard and of the time that passes, by the driver's own clock only: those of the nodes may differ.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

SLOW: Final = 10.0
"""An epoch takes too long when it takes so many times the longest that the same trial has shown since it was given out:
what is normal depends on the model, the node and the phase."""
PERIOD: Final = 5.0
"""Seconds between two looks."""


@dataclass(slots=True)
class _Sign:
    token: object
    """What was heard last."""
    heard: float
    epoch: float | None = None
    """When its last epoch was measured; None while nothing tells how long the present one may take."""
    longest: float = 0.0


@dataclass(slots=True)
class Watch:
    """Watches the running trials of a study.

    The time of an epoch counts once a trial has shown how long one takes with all that belongs to it: not while it
    starts, which may take long, and not after its last epoch, when it is evaluated.
    """

    patience: float
    """Seconds of silence that are too long; also the least that an epoch may take."""
    clock: Callable[[], float]
    _signs: dict[int, _Sign] = field(default_factory=dict)
    _looked: float = 0.0

    def measured(self, number: int, seconds: float, *, telling: bool) -> None:
        """Record that a trial has finished an epoch that took so many seconds.

        `telling`: it was validated, and another one follows.
        """
        if sign := self._signs.get(number):
            sign.longest = max(sign.longest, seconds)
            sign.epoch = self.clock() if telling or sign.epoch is not None else None

    def unlimited(self, number: int) -> None:
        """Record that nothing tells how long what a trial does now may take."""
        if sign := self._signs.get(number):
            sign.epoch = None

    def forget(self, number: int) -> None:
        """Record that a trial has left its worker."""
        self._signs.pop(number, None)

    def due(self) -> bool:
        """Return True if it is time for a look; if this process itself stood still, all are given their time again."""
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
            sign = self._signs.setdefault(number, _Sign(token, now))
            if sign.token != token:
                sign.token, sign.heard = token, now
        return {number: why for number in tokens if (why := self._hangs(number, now))}

    def _hangs(self, number: int, now: float) -> str:
        sign = self._signs.get(number)
        if sign is None:
            return ""
        if now - sign.heard > self.patience:
            return f"not heard for {now - sign.heard:.0f} s"
        limit = max(self.patience, SLOW * sign.longest)
        if sign.epoch is not None and now - sign.epoch > limit:
            return f"its epoch takes longer than {limit:.0f} s; its longest so far took {sign.longest:.0f} s"
        return ""
