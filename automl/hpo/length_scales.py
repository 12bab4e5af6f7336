"""Length scales of YOLO's settings, learned from real trainings: how far each may move before the result changes.

The sampler's Gaussian process has a length scale per parameter, which the ten to fifty trials of a usual study do not
tell. Those of other data sets do (a meta-learned prior, as of Wang et al. 2021, arXiv:2109.08215): fitted to the tables
in `benchmarks/detector-curves/` by `benchmarks/sampler_rules.py --lengths`. Decision 64 tells what that is worth.
"""

from collections.abc import Mapping
from math import exp, log
from statistics import fmean
from typing import Final

from automl.study.space import Choice, SearchSpace, Single, parts

LOGARITHMIC: Final[Mapping[str, float]] = {"lr0": 1.29, "weight_decay": 13.3, "box": 4.92, "cls": 7.19}
"""Natural logarithms of a factor: `lr0` counts as another value where it is 3.6 times as high."""
LINEAR: Final[Mapping[str, float]] = {
    "momentum": 0.64, "mosaic": 3.1, "mixup": 2.02, "scale": 1.83, "translate": 1.15, "hsv_v": 1.51,
}  # fmt: skip
"""In the setting's own unit. Longer than a range: it matters little there."""
CHOICES: Final[Mapping[str, float]] = {"optimizer": 1.61, "freeze": 4.92}
"""Between any two choices the distance is 1."""


def lengths_of(space: SearchSpace) -> dict[str, float]:
    """Return the known length scales as shares of a parameter's range, for parameters on the scale of the tables.

    >>> from automl.study.space import Real
    >>> wide = Real(1e-4, 1e-2, default=1e-3, log=True)
    >>> {name: round(share, 2) for name, share in lengths_of(SearchSpace({"lr0": wide, "nbs": wide})).items()}
    {'lr0': 0.28}
    """
    found: dict[str, float] = {}
    for name, parameter in space.parameters.items():
        shares = [_share(name, part) for part in parts(parameter)]
        known = [log(share) for share in shares if share]
        if known and len(known) == len(shares):
            found[name] = exp(fmean(known))
    return found


def _share(name: str, part: Single) -> float:
    """Return the length scale of one range in shares of it; 0 where none is known."""
    if isinstance(part, Choice):
        return CHOICES.get(name, 0.0)
    if part.high <= part.low:
        return 0.0
    if part.log:
        return LOGARITHMIC.get(name, 0.0) / log(part.high / part.low)
    return LINEAR.get(name, 0.0) / (part.high - part.low)
