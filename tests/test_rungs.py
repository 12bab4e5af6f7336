"""The ladder: who advances, what it costs, and what a tie means."""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.rungs import Ladder, cost, ladder, seats

factors = st.integers(2, 6)
epochs = st.integers(1, 300)
values = st.floats(0, 1)


@given(epochs, epochs, factors)
def test_rungs_rise_and_lie_between_the_first_and_the_last_epoch(least: int, most: int, factor: int) -> None:
    rungs = ladder(least, most, factor)
    assert list(rungs) == sorted(set(rungs))
    assert all(least <= rung < most for rung in rungs)
    assert all(2 * rung <= most for rung in rungs[1:])
    assert bool(rungs) is (least < most)


@given(st.integers(1, 10**30), st.integers(2, 10**30))
def test_seats_are_counted_exactly(standing: int, factor: int) -> None:
    assert (seats(standing, factor) - 1) * factor < standing <= seats(standing, factor) * factor


@given(st.integers(1, 200), epochs, epochs, factors)
def test_the_expected_cost_lies_between_the_fewest_and_the_most_epochs(
    trials: int, least: int, most: int, factor: int
) -> None:
    found = cost(trials, ladder(least, most, factor), max_epochs=most, reduction_factor=factor, retrainings=4)
    assert found.fewest <= found.expected <= found.most == trials * most
    assert found.confirming == 4 * most


def test_a_study_of_any_size_has_a_cost() -> None:
    found = cost(10**400, (1,), max_epochs=3, reduction_factor=3, retrainings=0)
    assert found.most == 3 * 10**400


@given(st.lists(values, min_size=1, max_size=30), factors)
def test_a_trial_advances_when_it_is_among_the_best_of_those_before(found: list[float], factor: int) -> None:
    steps = Ladder((1,), factor)
    for number, value in enumerate(found):
        verdict = steps.judge(number, epoch=1, value=value)
        ahead = sum(other >= value for other in found[:number])
        assert verdict is not None
        assert verdict.advances is (ahead < ceil((number + 1) / factor))
        assert verdict.reason == f"rank {ahead + 1} of {number + 1}, {ceil((number + 1) / factor)} advance"


@given(st.integers(1, 40), factors)
def test_a_tie_is_not_progress(trials: int, factor: int) -> None:
    steps = Ladder((4,), factor)
    verdicts = [steps.judge(number, epoch=4, value=0.0) for number in range(trials)]
    assert sum(verdict.advances for verdict in verdicts if verdict) == 1


def test_of_equal_values_the_smaller_loss_goes_first() -> None:
    steps = Ladder((4,), 3)
    losses = [2.0, 3.0, 1.0, 1.5]
    verdicts = [steps.judge(number, epoch=4, value=0.0, loss=loss) for number, loss in enumerate(losses)]
    assert [verdict.advances for verdict in verdicts if verdict] == [True, False, True, True]


def test_a_higher_value_beats_any_loss() -> None:
    steps = Ladder((4,), 2)
    steps.judge(0, epoch=4, value=0.1, loss=0.1)
    verdict = steps.judge(1, epoch=4, value=0.2, loss=99.0)
    assert verdict is not None
    assert verdict.advances


@given(st.lists(values, min_size=2, max_size=20), factors, values)
def test_a_question_asked_twice_gets_the_first_answer(found: list[float], factor: int, other: float) -> None:
    steps = Ladder((2,), factor)
    first = [steps.judge(number, epoch=2, value=value) for number, value in enumerate(found)]
    cut = steps.cut(2)
    again = [steps.judge(number, epoch=2, value=other) for number in range(len(found))]
    assert again == first
    assert steps.cut(2) == cut


@pytest.mark.parametrize("epoch", [1, 3, 5, 100])
def test_between_rungs_nobody_is_judged(epoch: int) -> None:
    steps = Ladder((2, 4), 2)
    assert steps.judge(0, epoch=epoch, value=0.5) is None
    assert steps.cut(epoch) is None


@given(st.lists(st.tuples(values, values), min_size=1, max_size=20), factors, values, values)
def test_a_ladder_brought_back_judges_the_next_as_the_old_one_would(
    found: list[tuple[float, float]], factor: int, value: float, loss: float
) -> None:
    old, new = Ladder((3,), factor), Ladder((3,), factor)
    for number, standing in enumerate(found):
        verdict = old.judge(number, epoch=3, value=standing[0], loss=standing[1])
        assert verdict is not None
        new.restore(number, epoch=3, standing=standing, advanced=verdict.advances)
    assert new.judge(99, epoch=3, value=value, loss=loss) == old.judge(99, epoch=3, value=value, loss=loss)
    for number in range(len(found)):
        one, other = old.judge(number, epoch=3, value=0), new.judge(number, epoch=3, value=0)
        assert one is not None
        assert other is not None
        assert one.advances is other.advances


@given(st.lists(values, min_size=1, max_size=20), factors)
def test_the_cut_is_the_last_value_that_would_advance(found: list[float], factor: int) -> None:
    steps = Ladder((1,), factor)
    for number, value in enumerate(found):
        steps.judge(number, epoch=1, value=value)
    assert steps.cut(1) == sorted(found, reverse=True)[ceil(len(found) / factor) - 1]
