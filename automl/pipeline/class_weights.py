"""Class weights: whether the classes of a data set differ enough in frequency for a search of `cls_pw`."""

from collections.abc import Container, Iterator, Mapping
from typing import Final

SETTING: Final = "cls_pw"
"""Ultralytics' power: a class has the weight of its inverse frequency, raised to this, at most 1."""
UNEVEN: Final = 3.0
"""Most boxes of a class over fewest from which `cls_pw` is searched: below, no weight is three times another. A rule of
thumb, not fitted to results."""
IMBALANCED: Final = 20.0
"""The same from which a search without it is told about it; the report on the data calls that imbalanced."""


def ratio(boxes: Mapping[int, int]) -> float:
    """Return the boxes of the most frequent class over those of the rarest that has any; 1 with one class or none.

    >>> ratio({0: 60, 1: 12, 2: 0}), ratio({})
    (5.0, 1.0)
    """
    counts = [count for count in boxes.values() if count]
    return max(counts) / min(counts) if counts else 1.0


def warnings(boxes: Mapping[int, int], *, train: Container[str], searched: Container[str]) -> Iterator[str]:
    """Yield a warning where `cls_pw` is searched on even classes, or neither searched nor fixed on imbalanced ones.

    `boxes` are those of each class in training, `train` the fixed settings and `searched` the parameters of the space.
    """
    found = ratio(boxes)
    seen = f"the most frequent class of train has {found:.3g} times as many boxes as the rarest"
    if SETTING in searched and found < UNEVEN:
        yield f"space.{SETTING}: weights classes by frequency, but {seen}; --set train.{SETTING}=0 does not search it"
    elif SETTING not in searched and SETTING not in train and found >= IMBALANCED:
        yield (
            f"{seen}, and space has no {SETTING}, which weights classes by frequency; "
            f"{SETTING}: {{low: 0.0, high: 1.0, default: 0.0}} in space searches it"
        )
