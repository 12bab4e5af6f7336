"""How many trials share a GPU, on a stand-in device whose throughput and memory are known."""

from collections.abc import Callable

import pytest

from automl.study.demand import Demand
from automl.study.errors import TrialError
from automl.study.packing import Packing, Reading, Shares, TrainingStructure, note_of, probe, probed_in, tightest


class Device:
    """Throughput saturates: copies share `peak` images/s, and one alone reaches `alone`; each needs `memory`."""

    def __init__(self, *, alone: float, peak: float, memory: float, thrash: float = 0.0) -> None:
        self.alone, self.peak, self.memory, self.thrash = alone, peak, memory, thrash
        self.tried: list[int] = []

    def __call__(self, copies: int) -> Reading:
        self.tried.append(copies)
        if copies * self.memory > 1:
            raise TrialError("out of memory")
        total = min(self.alone * copies, self.peak) * (1 - self.thrash * (copies - 1))
        return Reading(total, copies * self.memory)


@pytest.mark.parametrize(
    ("device", "copies", "limit"),
    [
        (Device(alone=100, peak=340, memory=0.05), 4, "5 copies together are not faster than 4"),
        (Device(alone=100, peak=100, memory=0.05), 1, "2 copies together are not faster than 1"),
        (Device(alone=100, peak=900, memory=0.05), 8, "8 copies are the most that are tried"),
        (Device(alone=100, peak=900, memory=0.3), 3, "4 copies would use more than 90%"),
        (Device(alone=100, peak=900, memory=0.6), 1, "2 copies would use more than 90%"),
        (Device(alone=100, peak=250, memory=0.05, thrash=0.1), 3, "4 copies together are not faster than 3"),
    ],
)
def test_the_fewest_copies_with_the_best_total_are_taken(device: Device, copies: int, limit: str) -> None:
    found = probe(device)
    assert found.copies == copies
    assert limit in found.limit
    assert device.tried == [*found.readings]


def uneven(copies: int) -> Reading:
    """Return more memory for two than twice that of one, and none for three."""
    return {1: Reading(10, 0.2), 2: Reading(20, 0.95)}[copies]


def test_copies_that_pass_the_ceiling_do_not_count() -> None:
    found = probe(uneven)
    assert (found.copies, [*found.readings]) == (1, [1])
    assert "2 copies use 95% of the memory" in found.limit


def test_a_structure_that_does_not_run_gets_a_whole_gpu_and_says_why() -> None:
    found = probe(Device(alone=100, peak=100, memory=1.5))
    assert (found.copies, found.readings, found.limit) == (1, {}, "1 copy does not run: out of memory")
    assert "nothing could be measured: 1 copy does not run: out of memory" in found.summary


def test_no_more_copies_are_tried_than_have_cores() -> None:
    device: Callable[[int], Reading] = Device(alone=100, peak=900, memory=0.05)
    assert probe(device, most=2).copies == 2
    assert probe(device, most=1).limit == "1 copy is the most that is tried"


SMALL, LARGE = TrainingStructure("a:b.yaml", 64, 8), TrainingStructure("a:b.yaml", 64, 32)


def test_a_probe_is_read_back_from_the_journal() -> None:
    found = probe(Device(alone=100, peak=250, memory=0.05), device="H100")
    notes = {note_of(SMALL, "H100"): found.to_dict(), note_of(LARGE, ""): found.to_dict(), "other": 1}
    assert probed_in(notes) == {(SMALL, "H100"): found, (LARGE, ""): found}


def test_a_batch_that_was_not_probed_has_the_share_of_the_next_larger_one() -> None:
    packed = {SMALL: Packing(4, {1: Reading(1, 0.1)}), LARGE: Packing(2, {1: Reading(1, 0.2)})}
    shares = Shares(packed, {SMALL: Demand(1, 0.25), LARGE: Demand(2, 0.5)})
    assert shares.demand(SMALL) == Demand(1, 0.25)
    assert shares.demand(TrainingStructure("a:b.yaml", 64, 9)) == Demand(2, 0.5)
    assert shares.demand(TrainingStructure("a:b.yaml", 64, 33)) is None
    assert shares.demand(TrainingStructure("a:b.yaml", 96, 8)) is None
    assert shares.packing(TrainingStructure("a:b.yaml", 64, 9)) is None
    assert tightest(packed.values()).copies == 2
