"""When a trial has lost its worker too often."""

import pytest

from automl.study import EndReason, Kind, Loss
from automl.trials.retry import Budget, ending

BUDGET = Budget(lost=2, own=1)


def lost(*losses: tuple[Kind, int]) -> list[Loss]:
    return [Loss(kind, "why", epoch=epoch) for kind, epoch in losses]


@pytest.mark.parametrize(
    "losses",
    [
        lost(*[(Kind.NODE, 3)] * 20, *[(Kind.NODE, 4)] * 20),
        lost(*[(Kind.WORKER, 3)] * 2),
        lost((Kind.WORKER, 1), (Kind.WORKER, 1), (Kind.WORKER, 2), (Kind.HUNG, 2)),
        lost((Kind.WORKER, 1), (Kind.WORKER, 1), (Kind.NODE, 1), (Kind.NODE, 1)),
        lost((Kind.OWN, 3), (Kind.WORKER, 3), (Kind.NODE, 3)),
        lost((Kind.MEMORY, 3)),
    ],
)
def test_a_trial_goes_on(losses: list[Loss]) -> None:
    assert ending(losses, BUDGET) is None


@pytest.mark.parametrize(
    ("losses", "cause", "reason"),
    [
        (lost(*[(Kind.WORKER, 3)] * 3), "worker lost 3 times in a row at epoch 4: why", EndReason.LOST),
        (
            lost((Kind.WORKER, 3), (Kind.HUNG, 3), (Kind.NODE, 3), (Kind.HUNG, 3)),
            "worker lost 3 times",
            EndReason.LOST,
        ),
        (lost(*[(Kind.NODE, 3)] * 21), "worker lost 21 times in a row at epoch 4: why", EndReason.LOST),
        (lost((Kind.OWN, 1), (Kind.OWN, 7)), "why", EndReason.CRASH),
        (
            lost((Kind.MEMORY, 1), (Kind.NODE, 2), (Kind.MEMORY, 7)),
            "out of memory: why, for the second",
            EndReason.MEMORY,
        ),
    ],
)
def test_a_trial_ends_with_its_cause(losses: list[Loss], cause: str, reason: EndReason) -> None:
    ended = ending(losses, BUDGET)
    assert ended is not None
    assert ended.cause.startswith(cause)
    assert ended.reason is reason
