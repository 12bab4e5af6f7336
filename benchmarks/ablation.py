"""The search without one of its parts, for what that part contributes.

The parts are taken out here and not by an option: nobody should search without them.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from automl.hpo import sampler
from automl.hpo.sampler import acquisition, epoch_cost
from automl.hpo.sampler import sampler as sampler_sampler
from automl.hpo.sampler.encoding import Points, Vector


def _free(_: epoch_cost.Cost, points: Points) -> Vector:
    return np.zeros(len(points))


def _as_it_stands(curves: Sequence[Sequence[float]], _: int) -> list[SimpleNamespace]:
    return [SimpleNamespace(final=float(np.nanmax(curve))) for curve in curves]


_condition = acquisition.Proposal._condition
_origin = sampler.Sampler._origin


def _blind(self: acquisition.Proposal) -> None:
    running, self._running = self._running, self._running[:0]
    _condition(self)
    self._running = running


def _anywhere(self: sampler.Sampler, number: int, generator: np.random.Generator) -> str:
    origin = _origin(self, number, generator)
    return "random" if origin in {"default", "near default"} else origin


PARTS: Final[Mapping[str, tuple[Any, str, Any]]] = {
    "model": (sampler_sampler, "RANDOM_SHARE", 1.0),
    "forecast": (acquisition, "forecast", _as_it_stands),
    "price": (epoch_cost.Cost, "log", _free),
    "running": (acquisition.Proposal, "_condition", _blind),
    "climb": (acquisition, "REFINE_WIDTHS", ()),
    "prior": (sampler.Sampler, "_origin", _anywhere),
}
"""What is put in a part's place: random params, the best value so far as the final one, every epoch at the same price,
trials that still run overlooked, candidates not refined, nothing known of the default params."""


def without(part: str | None) -> AbstractContextManager[object]:
    """Return a context that searches without a part of `PARTS`; with all of them for None."""
    return nullcontext() if part is None else patch.object(*PARTS[part])
