"""Check of fixed `close_mosaic` against the length of a training: mosaic that is off before it could help.

Ultralytics 8.4.190 (`engine/trainer.py`, `_do_train`; `data/dataset.py`, `close_mosaic`) turns mosaic, mixup and cutmix
off for the last `close_mosaic` epochs; where that is all of them, the first epoch begins without.
"""

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any, Final

from automl.study.space import Choice, Parameter, SearchSpace, parts

SETTING: Final = "close_mosaic"
CLOSED_WITH_IT: Final = ("mosaic", "mixup", "cutmix")
LATE: Final = 3
"""Epochs without mosaic at the end that are proposed for a short training; Ultralytics' own 10 are for 100."""
OPEN: Final = 0.5
"""Least share of a training with mosaic: with less, most of it is trained as if mosaic were not set."""


def warnings(space: SearchSpace, *, epochs: int, fixed: Mapping[str, Any]) -> Iterator[str]:
    """Yield a warning with its remedy where a fixed `close_mosaic` leaves less than half of a training with mosaic.

    `epochs` is the length of a whole training; `fixed` are the settings of the study and, for the rest, the trainer's
    defaults. A searched `close_mosaic`, and a searched mosaic that is never on, are laws of the space.
    """
    closing = float(fixed.get(SETTING) or 0)
    asked = [name for name in CLOSED_WITH_IT if _most(space.parameters.get(name), fixed.get(name))]
    if SETTING in space.parameters or not asked or epochs - closing >= OPEN * epochs:
        return
    named = " and ".join(asked)
    seen = (
        f"{named} would be off from the first epoch"
        if closing >= epochs
        else f"{named} would be on in the first {epochs - closing:g} epochs only"
    )
    late = min(LATE, int(epochs * (1 - OPEN)))
    off = "" if set(asked) & {*space.parameters} else "; not wanted: " + " ".join(f"--set train.{n}=0" for n in asked)
    yield (
        f"train.{SETTING}: should be at most half of max_epochs, but got {SETTING}={closing:g}, max_epochs={epochs}: "
        f"{seen}; --set train.{SETTING}={late}, or --set ladder.max_epochs={ceil(closing / (1 - OPEN))}{off}"
    )


def _most(parameter: Parameter | None, fixed: Any) -> float:  # noqa: ANN401
    """Return the largest value that a trial may have."""
    if parameter is None:
        return float(fixed or 0)
    ranges = [part.choices if isinstance(part, Choice) else (part.high,) for part in parts(parameter)]
    return max(float(value) for values in ranges for value in values)
