"""How busy the slots of a real Ray were, by the log of a study."""

from benchmarks.scale_ray import Work, slot_seconds, works_of

LOG = """2026-11-29T05:00:00Z trial 0 starts: lr0=0.01
2026-11-29T05:00:02Z trial 1 starts: lr0=0.02
2026-11-29T05:00:10Z trial 0 pauses at epoch 3: 0.5, rank 1 of 1
2026-11-29T05:00:10Z trial 2 starts: lr0=0.03
2026-11-29T05:00:12Z trial 1 lost its worker after epoch 1 and is retried: gone
2026-11-29T05:00:12Z trial 1 resumes after epoch 1: lr0=0.02
2026-11-29T05:00:20Z trial 1 completed at epoch 3: 0.5, reached the last epoch
2026-11-29T05:00:20Z trial 2 pauses at epoch 3: 0.4, rank 2 of 2
2026-11-29T05:00:21Z trial 0 pruned at epoch 3: 0.5, not among those that advanced
"""


def test_each_stay_on_a_slot_is_read_from_the_log() -> None:
    works = works_of(LOG)
    begin = works[0].began
    found = [(work.number, work.began - begin, work.ended - begin) for work in works]
    assert found == [(0, 0.0, 10.0), (1, 2.0, 12.0), (1, 12.0, 20.0), (2, 10.0, 20.0)]
    assert slot_seconds(works, 2) == 40.0


def test_a_slot_counts_from_the_first_start_of_all_to_the_end_of_its_last_job() -> None:
    works = [Work(0, 100.0, 110.0), Work(1, 105.0, 106.0), Work(2, 108.0, 120.0)]
    assert slot_seconds(works, 2) == 10.0 + 20.0
    assert slot_seconds([], 2) == 0.0
