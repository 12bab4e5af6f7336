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
class _Activity:
    token: object
    """The last heartbeat."""
    changed: float
    epoch: float | None = None
    """When its last epoch was measured; None if the present one has no limit."""
    longest: float = 0.0


@dataclass(slots=True)
class HangDetector:
    """Hang detector of a study's running trials.

    The epoch limit applies after a trial's first complete, validated epoch: not while it starts, which may take long,
    and not after its last epoch, while it is evaluated.
    """

    timeout: float
    """Heartbeat timeout in seconds; also the lower bound of the epoch limit."""
    clock: Callable[[], float]
    _activities: dict[int, _Activity] = field(default_factory=dict)
    _checked: float = 0.0

    def measured(self, number: int, seconds: float, *, validated: bool) -> None:
        """Record the seconds of a finished epoch.

        `validated`: it was validated, and another one follows.
        """
        if activity := self._activities.get(number):
            activity.longest = max(activity.longest, seconds)
            activity.epoch = self.clock() if validated or activity.epoch is not None else None

    def unlimited(self, number: int) -> None:
        """Remove a trial's epoch limit: the time of its present step is unknown."""
        if activity := self._activities.get(number):
            activity.epoch = None

    def forget(self, number: int) -> None:
        """Record that a trial has left its worker."""
        self._activities.pop(number, None)

    def due(self) -> bool:
        """Return True if a check is due; if this process itself was suspended, all timeouts restart."""
        passed = self.clock() - self._checked
        if passed < PERIOD:
            return False
        if passed > max(self.timeout / 2, 2 * PERIOD):
            self._activities.clear()
        self._checked = self.clock()
        return True

    def check(self, tokens: Mapping[int, object]) -> dict[int, str]:
        """Return the trials that hang, and why, given each running trial's last heartbeat, None before the first."""
        now = self.clock()
        for number, token in tokens.items():
            if token is None:
                continue
            activity = self._activities.setdefault(number, _Activity(token, now))
            if activity.token != token:
                activity.token, activity.changed = token, now
        return {number: why for number in tokens if (why := self._hangs(number, now))}

    def _hangs(self, number: int, now: float) -> str:
        activity = self._activities.get(number)
        if activity is None:
            return ""
        if now - activity.changed > self.timeout:
            return f"no heartbeat for {now - activity.changed:.0f} s"
        limit = max(self.timeout, SLOW * activity.longest)
        if activity.epoch is not None and now - activity.epoch > limit:
            return f"its epoch takes longer than {limit:.0f} s; its longest so far took {activity.longest:.0f} s"
        return ""
