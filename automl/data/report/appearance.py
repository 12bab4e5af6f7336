"""Spread of resolution, brightness and sharpness over images, and the images that stand out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from automl.data.pictures import Picture
from automl.data.report.records import Appearance, Spread
from automl.data.report.thresholds import BLURRED, BRIGHT, DARK

QUANTILES: Final = (0.0, 0.1, 0.5, 0.9, 1.0)
RESOLUTIONS: Final = 5


def usual_sharpness(images: Sequence[Path], pictures: Mapping[Path, Picture]) -> float:
    """Return the median sharpness of images, 0 without any."""
    return float(np.median([pictures[image].sharpness for image in images])) if images else 0.0


def appearance(images: Sequence[Path], pictures: Mapping[Path, Picture], *, sharpness: float) -> Appearance | None:
    """Describe images, each once; `sharpness` is the median of the data set, against which blur is judged."""
    seen = {image: pictures[image] for image in images}
    if not seen:
        return None
    sizes = Counter(f"{picture.width} x {picture.height}" for picture in seen.values())
    frequent = dict(sizes.most_common(RESOLUTIONS))
    return Appearance(
        width=_spread([picture.width for picture in seen.values()]),
        height=_spread([picture.height for picture in seen.values()]),
        brightness=_spread([picture.brightness for picture in seen.values()]),
        sharpness=_spread([picture.sharpness for picture in seen.values()]),
        resolutions=frequent,
        other_resolutions=len(sizes) - len(frequent),
        dark=tuple(image for image, picture in seen.items() if picture.brightness < DARK),
        bright=tuple(image for image, picture in seen.items() if picture.brightness > BRIGHT),
        blurred=tuple(image for image, picture in seen.items() if picture.sharpness < BLURRED * sharpness),
    )


def _spread(values: Sequence[float]) -> Spread:
    least, low, median, high, most = (round(float(value), 1) for value in np.quantile(values, QUANTILES))
    return Spread(least, low, median, high, most)
