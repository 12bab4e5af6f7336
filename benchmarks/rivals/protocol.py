"""What the event loop asks of a search, ours or a rival's."""

from typing import Protocol

from automl.study import Answer, Params


class Strategy(Protocol):
    """A search in virtual time: what a free worker does next, and what it does after each epoch."""

    def next(self) -> tuple[int, Params] | None:
        """Return a trial's number and params.

        A number given before means: go on after the epoch where it paused. None: nothing to do until another trial has
        reported.
        """
        ...

    def told(self, number: int, params: Params) -> None:
        """Take in the params that a new trial is really trained with: those of the row that answers."""
        ...

    def measured(self, number: int, *, epoch: int, value: float, seconds: float) -> Answer:
        """Take in an epoch's value (higher is better; the raw value of that epoch, 0..1) and answer."""
        ...

    def ended(self, number: int) -> None:
        """Take in that a trial has ended at the last epoch of its curve."""
        ...
