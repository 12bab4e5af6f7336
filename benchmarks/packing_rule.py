"""Packing: how many trials share a GPU, by a probe of their total throughput and memory side by side.

The probe trains 1, 2, 3 ... copies of a structure together and stops when the total throughput no longer grows, or when
memory would pass the ceiling. It takes the fewest copies within `CLOSE` of the best total: copies that add nothing only
slow each other down.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

CEILING: Final = 0.9
"""Share of a GPU's memory that all copies may use together at their peaks."""
CLOSE: Final = 0.03
"""Totals within this share of the best count as equal: a choice, until a probe was repeated on a GPU."""
MOST: Final = 8
"""Copies tried at most."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Measurement of some copies that train side by side."""

    images_per_s: float
    """Total of all copies."""
    memory: float
    """Share of the GPU's memory in use at the peak, by all copies together: 0 to 1."""


@dataclass(frozen=True, slots=True)
class Packing:
    """Result of a probe."""

    copies: int
    """Trials that share a GPU."""
    readings: Mapping[int, Reading]
    """Number of copies to the measurement."""
    limit: str
    """Why no more copies were tried."""


def probe(measure: Callable[[int], Reading | None], *, most: int = MOST, ceiling: float = CEILING) -> Packing | None:
    """Return how many copies share a GPU; None if not even one can be measured.

    `measure` trains a number of copies side by side and returns None if they do not fit. A further copy is only tried
    if its memory, by that of the copies so far, stays below the ceiling: no running trial is risked for the probe.
    """
    readings: dict[int, Reading] = {}
    limit = f"{most} copies are the most that are tried"
    for count in range(1, most + 1):
        if readings and readings[count - 1].memory * count / (count - 1) > ceiling:
            limit = f"{count} copies would use more than {ceiling:.0%} of the memory"
            break
        reading = measure(count)
        if reading is None:
            limit = f"{count} copies do not fit"
            break
        if readings and reading.memory > ceiling:
            limit = f"{count} copies use {reading.memory:.0%} of the memory, more than {ceiling:.0%}"
            break
        readings[count] = reading
        if count > 1 and reading.images_per_s < readings[count - 1].images_per_s * (1 - CLOSE):
            limit = f"{count} copies together are slower than {count - 1}"
            break
    if not readings:
        return None
    best = max(reading.images_per_s for reading in readings.values())
    copies = min(count for count, reading in readings.items() if reading.images_per_s >= best * (1 - CLOSE))
    return Packing(copies, readings, limit)
