"""The ladder: where trials are compared, and what a study can cost."""

from hypothesis import given
from hypothesis import strategies as st

from automl.study.ladder import cost, ladder, seats

factors = st.integers(2, 6)
epochs = st.integers(1, 300)


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
