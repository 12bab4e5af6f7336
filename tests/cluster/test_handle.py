"""The number of places that a source is told while nodes join and leave."""

import pytest

from automl.cluster.handle import Handle
from automl.cluster.resources import Slots
from tests.scripted_source import Jobs

MANY = 1_000_000


@pytest.mark.parametrize(
    ("most", "told"),
    [(MANY, [4, 2]), (3, [3]), (4, [3, 4, 3]), (9, [3, 5, 3])],
    ids=["auto", "all fit", "one more waits", "one more waits always"],
)
def test_a_source_is_told_what_fits_and_one_more_where_more_are_asked_for(most: int, told: list[int]) -> None:
    source, places = Jobs([], concurrent=2), [None, 2, 4, 4, 2]
    slots = Slots(1, 8, 2, most=most)
    handle = Handle(source)
    handle.fitted, handle.more_wanted = 2, slots.wants_more
    for fitting in places:
        handle.places = lambda fitting=fitting: fitting and min(fitting, most)  # type: ignore[misc]
        handle.resize()
    assert source.places == told
