"""Data set summary: a few statistics of the training split, and the similarity of two data sets.

Only the training split counts: params act on it. Of a large one, an evenly spaced sample of images is read.
"""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp, isfinite, log
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from PIL import Image

from automl.data.images import image_problem
from automl.data.labels import label_lines

MOST_LABELS: Final = 5000
"""Label files read; enough for stable quantiles, and bounded on a slow mount."""
MOST_HEADS: Final = 64
"""Maximum number of images whose header is read for the size in pixels."""
QUANTILES: Final = (0.1, 0.5, 0.9)
SHARPNESS: Final = 3.0
"""How fast similarity falls with distance; set so that halves of one data set stay near 1 and unlike ones fall low."""

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """Statistics of a training split."""

    fingerprint: str
    """Fingerprint of the whole data set; equal ones mean the same data."""
    images: int
    classes: int
    boxes: float
    """Boxes an image, images without any counted."""
    sizes: Triple
    """Tenth, median and ninetieth percentile of a box's size: the root of its share of the image's area."""
    aspects: Triple
    """The same percentiles of width over height, both as shares of the image."""
    balance: float
    """Entropy of the classes' shares of boxes over its largest: 1 if all classes have as many, 0 if one has all."""
    pixels: float | None = None
    """Median of the root of an image's pixels, None where image headers were not read."""

    def __post_init__(self) -> None:
        """Reject values that no data set has.

        Raises:
            ValueError: a file was damaged or edited by hand.
        """
        counts = (self.images, self.classes)
        positive = (self.boxes, *self.sizes, *self.aspects, *([] if self.pixels is None else [self.pixels]))
        sound = all(type(count) is int and count > 0 for count in counts) and len(self.sizes) == len(self.aspects) == 3
        if not sound or not all(isfinite(number) and number > 0 for number in positive) or not 0 <= self.balance <= 1:
            raise ValueError(f"must be the summary of a data set, but got {self}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        lists = {name: tuple(map(float, plain[name])) for name in ("sizes", "aspects")}
        return cls(**{**plain, **lists})


def summarise(
    images: Sequence[Path], *, classes: int, fingerprint: str, heads: bool = True, keypoints: int = 0
) -> Summary | None:
    """Summarize the labels of a training split, and with `heads` some image headers; None where no box is found."""
    whole = [image for image in dict.fromkeys(images) if not heads or not image_problem(image)]
    sampled = _spread(whole, MOST_LABELS)
    numbers: Counter[int] = Counter()
    sides: list[tuple[float, float]] = []
    for image in sampled:
        for number, width, height in _boxes(image, classes, keypoints):
            numbers[number] += 1
            sides.append((width, height))
    if not sides:
        return None
    widths, heights = np.array(sides).T
    return Summary(
        fingerprint=fingerprint,
        images=len(whole),
        classes=classes,
        boxes=len(sides) / len(sampled),
        sizes=_percentiles(np.sqrt(widths * heights)),
        aspects=_percentiles(widths / heights),
        balance=_balance(list(numbers.values()), classes),
        pixels=_pixels(_spread(whole, MOST_HEADS)) if heads else None,
    )


def similarity(one: Summary, other: Summary) -> float:
    """Return the similarity of two data sets: 1 for equal, towards 0 for nothing in common.

    The distance is the mean over images, classes, boxes an image, box sizes, shapes, balance and pixels (where both
    are known) of differences on a log scale: a factor of 10 in numbers or of 4 in sizes and shapes counts 1.
    """
    if one.fingerprint == other.fingerprint:
        return 1.0
    parts = [
        _apart(one.images, other.images, 10),
        _apart(one.classes, other.classes, 10),
        _apart(one.boxes, other.boxes, 10),
        sum(_apart(mine, theirs, 4) for mine, theirs in zip(one.sizes, other.sizes, strict=True)) / 3,
        sum(_apart(mine, theirs, 4) for mine, theirs in zip(one.aspects, other.aspects, strict=True)) / 3,
        abs(one.balance - other.balance),
    ]
    if one.pixels and other.pixels:
        parts.append(_apart(one.pixels, other.pixels, 4))
    return exp(-SHARPNESS * sum(parts) / len(parts))


def _apart(one: float, other: float, factor: float) -> float:
    return abs(log(one / other)) / log(factor)


def _spread(images: Sequence[Path], most: int) -> Sequence[Path]:
    step = max(1.0, len(images) / most)
    return [images[int(place * step)] for place in range(min(len(images), most))]


def _boxes(image: Path, classes: int, keypoints: int) -> Iterator[tuple[int, float, float]]:
    """Yield class, width and height of each valid box of an image; for a polygon those of its bounding box."""
    for line in label_lines(image, classes, keypoints=keypoints):
        if line.box and min(line.box[3:]) > 0:
            yield int(line.box[0]), line.box[3], line.box[4]


def _percentiles(values: "np.ndarray[Any, np.dtype[np.float64]]") -> Triple:
    low, middle, high = np.quantile(values, QUANTILES)
    return float(low), float(middle), float(high)


def _balance(counts: Sequence[int], classes: int) -> float:
    shares = [count / sum(counts) for count in counts]
    return min(1.0, -sum(share * log(share) for share in shares) / log(classes)) if classes > 1 else 1.0


def long_side(images: Sequence[Path]) -> int | None:
    """Return the median of the longer sides of some images, in pixels; None where no header is readable."""
    found = [max(shape) for image in _spread(images, MOST_HEADS) if all(shape := _shape(image))]
    return int(np.median(found)) if found else None


def _pixels(images: Sequence[Path]) -> float | None:
    found = [width * height for width, height in map(_shape, images) if width and height]
    return float(np.median(np.sqrt(found))) if found else None


def _shape(image: Path) -> tuple[int, int]:
    """Return width and height from the header of an image, zeros where it is unreadable; nothing is decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(image) as opened:
                return opened.width, opened.height
    except (OSError, ValueError, SyntaxError, ImportError, Image.DecompressionBombError):
        # ImportError: once imported, Ultralytics looks for a package of HEIC pictures when it does not know one.
        return 0, 0
