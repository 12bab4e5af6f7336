"""Hang detection: heartbeat timeout, or an epoch far slower than those before.

Uses the driver's clock only: those of the nodes may differ.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

SLOW: Final = 10.0
"""An epoch takes too long at this many times the longest epoch of the same attempt: what is normal depends on the
model, the node and the phase."""
PERIOD: Final = 5.0
"""Seconds between two checks."""


@dataclass(slots=True)
class _Sign:
    token: object
    """The last heartbeat."""
    heard: float
    epoch: float | None = None
    """When its last epoch was measured; None if the present one has no limit."""
    longest: float = 0.0


@dataclass(slots=True)
class Watch:
    """Hang detector of a study's running trials.

    The epoch limit applies after a trial's first complete, validated epoch: not while it starts, which may take long,
    and not after its last epoch, while it is evaluated.
    """

    patience: float
    """Heartbeat timeout in seconds; also the lower bound of the epoch limit."""
    clock: Callable[[], float]
    _signs: dict[int, _Sign] = field(default_factory=dict)
    _looked: float = 0.0

    def measured(self, number: int, seconds: float, *, telling: bool) -> None:
        """Record the seconds of a finished epoch.

        `telling`: it was validated, and another one follows.
        """
        if sign := self._signs.get(number):
            sign.longest = max(sign.longest, seconds)
            sign.epoch = self.clock() if telling or sign.epoch is not None else None

    def unlimited(self, number: int) -> None:
        """Remove a trial's epoch limit: the time of its present step is unknown."""
        if sign := self._signs.get(number):
            sign.epoch = None

    def forget(self, number: int) -> None:
        """Record that a trial has left its worker."""
        self._signs.pop(number, None)

    def due(self) -> bool:
        """Return True if a check is due; if this process itself was suspended, all timeouts restart."""
        passed = self.clock() - self._looked
        if passed < PERIOD:
            return False
        if passed > max(self.patience / 2, 2 * PERIOD):
            self._signs.clear()
        self._looked = self.clock()
        return True

    def look(self, tokens: Mapping[int, object]) -> dict[int, str]:
        """Return the trials that hang, and why, given each running trial's last heartbeat, None before the first."""
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
