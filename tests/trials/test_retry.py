"""When a trial has lost its worker too often."""

import pytest

from automl.study import Ending, EndReason, Kind, Loss
from automl.trials.retry import Budget, ending, loss_of, share

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


def test_a_trial_that_shares_a_gpu_ends_after_it_had_a_whole_one() -> None:
    often = lost((Kind.MEMORY, 1), (Kind.MEMORY, 1), (Kind.MEMORY, 1))
    assert [share(0.25, often[:count]) for count in range(4)] == [0.25, 0.5, 1.0, 1.0]
    assert ending(often[:2], BUDGET, gpus=0.25) is None
    ended = ending(often, BUDGET, gpus=0.25)
    assert ended
    assert ended.cause == "out of memory: why, 3 times"
    assert ending(often[:2], BUDGET, gpus=0.5), "half a GPU, then a whole one"


def test_a_failure_for_lack_of_memory_is_a_loss_of_memory() -> None:
    failed = Ending(cause="out of memory: why", kind=EndReason.MEMORY, again=True)
    assert loss_of(failed, "a") == Loss(Kind.MEMORY, "out of memory: why", node="a")
    assert loss_of(Ending(cause="why", again=True)).kind is Kind.OWN
    ended = ending([loss_of(failed), loss_of(failed)], BUDGET)
    assert ended
    assert ended.cause == "out of memory: why, for the second time"


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
