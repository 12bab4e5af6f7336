"""How many trials share a GPU, on a stand-in device whose throughput and memory are known."""

from collections.abc import Callable

import pytest

from benchmarks.packing_rule import Reading, probe


class Device:
    """Throughput saturates: copies share `peak` images/s, and one alone reaches `alone`; each needs `memory`."""

    def __init__(self, *, alone: float, peak: float, memory: float, thrash: float = 0.0) -> None:
        self.alone, self.peak, self.memory, self.thrash = alone, peak, memory, thrash
        self.tried: list[int] = []

    def __call__(self, copies: int) -> Reading | None:
        self.tried.append(copies)
        if copies * self.memory > 1:
            return None
        total = min(self.alone * copies, self.peak) * (1 - self.thrash * (copies - 1))
        return Reading(total, copies * self.memory)


@pytest.mark.parametrize(
    ("device", "copies", "limit"),
    [
        (Device(alone=100, peak=340, memory=0.05), 4, "8 copies are the most"),
        (Device(alone=100, peak=100, memory=0.05), 1, "8 copies are the most"),
        (Device(alone=100, peak=900, memory=0.3), 3, "4 copies would use more than 90%"),
        (Device(alone=100, peak=900, memory=0.6), 1, "2 copies would use more than 90%"),
        (Device(alone=100, peak=250, memory=0.05, thrash=0.1), 3, "4 copies together are slower than 3"),
    ],
)
def test_the_fewest_copies_with_the_best_total_are_taken(device: Device, copies: int, limit: str) -> None:
    found = probe(device)
    assert found
    assert found.copies == copies
    assert limit in found.limit
    assert device.tried == [*found.readings]


def uneven(copies: int) -> Reading | None:
    """Return more memory for two than twice that of one, and none for three."""
    return {1: Reading(10, 0.2), 2: Reading(20, 0.95)}.get(copies)


def test_copies_that_pass_the_ceiling_do_not_count() -> None:
    found = probe(uneven)
    assert found
    assert (found.copies, [*found.readings]) == (1, [1])
    assert "2 copies use 95% of the memory" in found.limit


def nothing(_copies: int) -> Reading | None:
    return None


@pytest.mark.parametrize("measure", [nothing])
def test_a_structure_that_does_not_fit_at_all_has_no_packing(measure: Callable[[int], Reading | None]) -> None:
    assert probe(measure) is None
