"""The Pareto front contains what nothing dominates, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from automl.hpo import pareto

points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)


@given(points)
def test_the_front_is_what_no_point_dominates(given_points: list[tuple[int, int]]) -> None:
    def dominates(one: tuple[int, int], other: tuple[int, int]) -> bool:
        return one != other and one[0] <= other[0] and one[1] >= other[1]

    found = [given_points[index] for index in pareto.front(given_points)]
    assert set(found) == {point for point in given_points if not any(dominates(other, point) for other in given_points)}
    assert len(found) == len(set(found))
    assert found == sorted(found)
