"""Fairness between jobs of different size: one that waits long for its resources is not passed by others.

Ray starts whatever fits. While small jobs fill each gap, a job for a whole GPU would wait for ever.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from automl.cluster.capacity import Shape
from automl.cluster.resources import fit

LOG: Final = logging.getLogger(__name__)
SECONDS: Final = 60.0
"""A job that waits for longer is no longer passed: a choice, longer than any start."""
LONGEST: Final = 600.0
"""So long others are held back for a job: something outside the study may have what it waits for."""


@dataclass(slots=True)
class Waiting:
    """The jobs that Ray has not started yet, and since when."""

    clock: Callable[[], float] = time.monotonic
    shapes: Callable[[], Sequence[Shape] | None] = lambda: None
    """Returns CPU cores and GPUs of the living nodes, None if unknown."""
    holds: bool = False
    """Whether no other job may start."""
    _since: dict[int, float] = field(default_factory=dict)
    _said: set[int] = field(default_factory=set)

    def look(self, pending: Mapping[int, Shape]) -> None:
        """Take the CPU cores and GPUs of the jobs that wait now, by number."""
        now = self.clock()
        self._since = {number: self._since.get(number, now) for number in pending}
        held = self._held(pending)
        for number in held:
            if number not in self._said:
                cpus, gpus = pending[number]
                need = f"{cpus:g} CPU cores and {gpus:g} GPUs of one node"
                LOG.info(f"job {number} waits for {need}: no other starts until it has them")
        self._said.update(held)
        self.holds = bool(held)

    def _held(self, pending: Mapping[int, Shape]) -> list[int]:
        """Return the jobs that wait too long although a node could hold them."""
        now, shapes = self.clock(), self.shapes() or ()
        return [
            number
            for number, (cpus, gpus) in pending.items()
            if SECONDS <= now - self._since[number] < SECONDS + LONGEST
            and any(fit(cpu, gpu, cpus, gpus) for cpu, gpu in shapes)
        ]
