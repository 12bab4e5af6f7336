"""The search without one of its parts, for what that part contributes.

The parts are taken out here and not by an option: nobody should search without them.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from automl import sampler as package
from automl.sampler import cost, proposal, sampler
from automl.sampler.encoding import Points, Vector


def _free(_: cost.Cost, points: Points) -> Vector:
    return np.zeros(len(points))


def _as_it_stands(curves: Sequence[Sequence[float]], _: int) -> list[SimpleNamespace]:
    return [SimpleNamespace(final=float(np.nanmax(curve))) for curve in curves]


_believe = proposal.Proposal._believe
_origin = package.Sampler._origin


def _blind(self: proposal.Proposal) -> None:
    running, self._running = self._running, self._running[:0]
    _believe(self)
    self._running = running


def _anywhere(self: package.Sampler, number: int, generator: np.random.Generator) -> str:
    origin = _origin(self, number, generator)
    return "random" if origin in {"default", "near default"} else origin


PARTS: Final[Mapping[str, tuple[Any, str, Any]]] = {
    "model": (sampler, "RANDOM_SHARE", 1.0),
    "forecast": (proposal, "forecast", _as_it_stands),
    "price": (cost.Cost, "log", _free),
    "running": (proposal.Proposal, "_believe", _blind),
    "climb": (proposal, "CLIMB", ()),
    "prior": (package.Sampler, "_origin", _anywhere),
}
"""What is put in a part's place: random params, the best value so far as the final one, every epoch at the same price,
trials that still run overlooked, candidates not refined, nothing known of the default params."""


def without(part: str | None) -> AbstractContextManager[object]:
    """Return a context that searches without a part of `PARTS`; with all of them for None."""
    return nullcontext() if part is None else patch.object(*PARTS[part])
