"""What is kept of all trials between two suggestions equals what a look at all of them finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.hpo.sampler.observations import Observations, ObservedTrial
from tests.builders import METRIC, measurement

EVENTS = st.lists(
    st.tuples(st.sampled_from(["add", "value", "fail", "look"]), st.integers(0, 200), st.floats(-1, 1)), max_size=300
)


def laws(kept: Observations) -> None:
    """Compare with a look at all trials."""
    valued = [number for number, trial in kept.items() if trial.has_value]
    numbers, bests = kept.bests()
    assert numbers.tolist() == valued
    assert bests.tolist() == [kept[number].best for number in valued]
    assert kept.others() == [trial for trial in kept.values() if not trial.has_value]
    assert kept.known() == {trial.key for trial in kept.values()}


@given(EVENTS)
def test_values_failures_and_new_trials_in_any_order_are_all_seen(events: list[tuple[str, int, float]]) -> None:
    kept = Observations()
    for kind, place, value in events:
        if kind == "add" or not len(kept):
            kept.add(len(kept), ObservedTrial(np.array([value]), outside=place % 7 == 0))
            continue
        number = place % len(kept)
        if kind == "value":
            kept[number].record([measurement(1, value)], METRIC)
            kept.changed(number)
        elif kind == "fail":
            kept[number].infeasible = True
            kept.changed(number)
        else:
            laws(kept)
    laws(kept)


def test_a_set_of_keys_that_was_handed_out_is_no_longer_changed() -> None:
    kept = Observations.of([ObservedTrial(np.array([0.5]))])
    known = kept.known()
    kept.add(1, ObservedTrial(np.array([0.25])))
    assert len(known) == 1


@pytest.mark.parametrize("count", [63, 64, 65, 1000])
def test_the_room_for_values_grows_with_the_trials(count: int) -> None:
    kept = Observations.of([ObservedTrial(np.array([share])) for share in np.linspace(0, 1, count)])
    kept[count - 1].record([measurement(1, 0.5)], METRIC)
    kept.changed(count - 1)
    numbers, bests = kept.bests()
    assert (numbers.tolist(), bests.tolist()) == ([count - 1], [0.5])
    assert len(kept.others()) == count - 1
