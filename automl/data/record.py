"""A checked data set as a record."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DataSet:
    """A checked data set: where its splits are and what stands in them."""

    source: Path
    names: Mapping[int, str]
    images: Mapping[str, tuple[Path, ...]]
    """What is trained on: images that are left out are not in it, an image that is named twice is in it twice."""
    boxes: Mapping[str, Mapping[int, int]]
    """Split to class number to boxes of those images."""
    warnings: tuple[str, ...]
    fingerprint: str
    """SHA-256 over names, sizes and labels of all images, so that two studies can tell whether they share data."""
    keypoints: int = 0
    """Numbers of a label line that stand for keypoints; they are cut off."""
    polygons: frozenset[str] = frozenset()
    """The splits in which every box is given as a polygon, on which `copy_paste` acts."""
