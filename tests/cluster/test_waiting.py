"""A job that waits long for its resources is not passed by others for ever."""

import logging

import pytest

from automl.cluster.waiting import LONGEST, SECONDS, Waiting
from tests.simulated_study import Clock

WHOLE, NODE = (4.0, 1.0), (8.0, 2.0)


def test_a_job_that_a_node_could_hold_holds_the_others_back_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="automl")
    clock = Clock()
    waiting = Waiting(clock, shapes=lambda: [(4.0, 0.0), NODE])

    def holds(seconds: float) -> bool:
        clock.now += seconds
        waiting.look({7: WHOLE})
        return waiting.holds

    assert not holds(0)
    assert not holds(SECONDS - 1)
    assert holds(1)
    assert holds(LONGEST - 1)
    assert not holds(1), "something outside the study may have what it waits for"
    assert caplog.messages == ["job 7 waits for 4 CPU cores and 1 GPUs of one node: no other starts until it has them"]


def test_one_that_has_its_place_or_that_no_node_could_hold_holds_nothing_back() -> None:
    clock, nodes = Clock(), [NODE]
    waiting = Waiting(clock, shapes=lambda: nodes)

    def holds(pending: dict[int, tuple[float, float]], *, seconds: float) -> bool:
        clock.now += seconds
        waiting.look(pending)
        return waiting.holds

    assert not holds({7: WHOLE}, seconds=0)
    assert holds({7: WHOLE}, seconds=SECONDS)
    assert not holds({}, seconds=1)
    assert not holds({7: WHOLE}, seconds=1), "it waits anew"
    nodes[0] = (2.0, 1.0)
    assert not holds({7: WHOLE}, seconds=SECONDS)
