"""The ladder: at which epochs trials are compared, who advances, and what a study can cost. Pure, in integers.

Asynchronous successive halving of the stopping kind (Li et al. 2018, arXiv:1810.05934) with two laws of its own:
a rung compares the best value so far, and a tie is not progress.
"""

from dataclasses import dataclass, field
from math import inf


def ladder(min_epochs: int, max_epochs: int, reduction_factor: int) -> tuple[int, ...]:
    """Return the epochs at which trials are compared, all below `max_epochs`.

    After the first, a rung in the second half is left out: it would stop trials that are nearly paid for.

    >>> ladder(4, 100, 3)
    (4, 12, 36)
    >>> ladder(10, 100, 3)
    (10, 30)
    >>> ladder(6, 6, 3)
    ()
    """
    epochs: list[int] = []
    epoch = min_epochs
    while 2 * epoch <= max_epochs or (not epochs and epoch < max_epochs):
        epochs.append(epoch)
        epoch *= reduction_factor
    return tuple(epochs)


def seats(standing: int, reduction_factor: int) -> int:
    """Return how many of those that stand at a rung advance: one in `reduction_factor`, rounded up.

    >>> seats(7, 3)
    3
    """
    return -(-standing // reduction_factor)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a study can cost, in epochs of training."""

    trials: int
    fewest: int
    """Every trial but one is pruned at the first rung."""
    most: int
    """No trial is pruned."""
    expected: int
    """Each rung lets one in `reduction_factor` advance."""
    confirming: int
    """The re-trainings of the challenger and the default."""


def cost(trials: int, rungs: tuple[int, ...], *, max_epochs: int, reduction_factor: int, retrainings: int) -> Cost:
    """Return what a study can cost at best and at worst.

    >>> cost(9, (4,), max_epochs=12, reduction_factor=3, retrainings=4)
    Cost(trials=9, fewest=44, most=108, expected=60, confirming=48)
    """
    left, spent, before = trials, 0, 0
    for rung in rungs:
        spent += left * (rung - before)
        before, left = rung, seats(left, reduction_factor)
    first = rungs[0] if rungs else max_epochs
    return Cost(
        trials=trials,
        fewest=first * (trials - 1) + max_epochs,
        most=trials * max_epochs,
        expected=spent + left * (max_epochs - before),
        confirming=retrainings * max_epochs,
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer at a rung."""

    advances: bool
    reason: str


@dataclass(slots=True)
class Ladder:
    """Who stood at each rung with what; answers whether a trial goes on."""

    rungs: tuple[int, ...]
    reduction_factor: int
    _standing: dict[int, dict[int, tuple[float, float]]] = field(default_factory=dict)
    _verdicts: dict[tuple[int, int], Verdict] = field(default_factory=dict)

    def judge(self, trial: int, *, epoch: int, value: float, loss: float = inf) -> Verdict | None:
        """Judge a trial that reports `value` (best so far, higher is better) at `epoch`; None between rungs.

        Of the n trials that have reached the rung, the best ceil(n / reduction_factor) advance. Equal values are
        ranked by the smaller validation loss, then by who came first, so that a row of zeros does not pass as a
        whole. A question asked twice gets the first answer.
        """
        if epoch not in self.rungs:
            return None
        if (trial, epoch) in self._verdicts:
            return self._verdicts[trial, epoch]
        standing = self._standing.setdefault(epoch, {})
        ahead = sum((other, -other_loss) >= (value, -loss) for other, other_loss in standing.values())
        standing[trial] = (value, loss)
        places = seats(len(standing), self.reduction_factor)
        verdict = Verdict(ahead < places, f"rank {ahead + 1} of {len(standing)}, {places} advance")
        self._verdicts[trial, epoch] = verdict
        return verdict

    def restore(self, trial: int, *, epoch: int, standing: tuple[float, float], advanced: bool) -> None:
        """Take in what a trial stood at a rung with (value, loss) in an earlier session, and the answer it got."""
        self._standing.setdefault(epoch, {})[trial] = standing
        self._verdicts[trial, epoch] = Verdict(advanced, "as answered in an earlier session")

    def cut(self, epoch: int) -> float | None:
        """Return the value of the last one that would advance at this rung, None while it is empty."""
        values = sorted((value for value, _ in self._standing.get(epoch, {}).values()), reverse=True)
        return values[seats(len(values), self.reduction_factor) - 1] if values else None
