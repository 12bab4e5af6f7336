"""What the slots of a study did when they did not train."""

import pytest

from automl.study import Ending, Measurement, Trial
from benchmarks.scale_ray import works_of
from benchmarks.slot_share import parts

LOG = """2026-11-29T05:00:00Z trial 0 starts: lr0=0.01
2026-11-29T05:00:10Z trial 0 pauses at epoch 2: 0.5, rank 1 of 1
2026-11-29T05:00:11Z trial 1 starts: lr0=0.02
2026-11-29T05:00:19Z trial 1 pauses at epoch 2: 0.6, rank 1 of 2
2026-11-29T05:00:19Z trial 1 advances at epoch 2: 0.6, rank 1 of 2
2026-11-29T05:00:29Z trial 1 completed at epoch 4: 0.7, reached the last epoch
2026-11-29T05:00:29Z trial 0 pruned at epoch 2: 0.5, not among those that advanced
"""


def trial(number: int, epochs: int) -> Trial:
    told = tuple(Measurement(epoch, {}, 3.0) for epoch in range(1, epochs + 1))
    return Trial(number=number, params={}, seed=0, measurements=told, ending=Ending(pruned="enough"))


def test_the_rest_of_the_slot_time_is_told_by_part() -> None:
    works = works_of(LOG)
    assert [(work.event, work.epoch) for work in works] == [("pauses", 2), ("pauses", 2), ("completed", 4)]
    found = parts(works, {0: trial(0, 2), 1: trial(1, 4)}, 1)
    # 29 s: epochs 6 + 6 + 6; the first start 4, another 2, the last 2 and 2 after its epochs, 1 between two jobs
    shares = {"first_starts": 4, "starts": 4, "after_last_epoch": 2, "between_jobs": 1}
    assert found == {name: round(seconds / 29, 4) for name, seconds in shares.items()} | {"unused_s": 0.0}


def test_a_slot_that_has_nothing_left_to_start_is_told_apart() -> None:
    works = works_of(LOG)
    found = parts(works, {0: trial(0, 2), 1: trial(1, 4)}, 2)  # one slot ends at 19 s, the other at 29 s
    assert found["unused_s"] == pytest.approx(10.0)
