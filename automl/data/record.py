"""Record of a checked data set."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DataSet:
    """A checked data set: the paths of its splits and their content."""

    source: Path
    names: Mapping[int, str]
    images: Mapping[str, tuple[Path, ...]]
    """Images used for training: excluded images are not in it, an image that is named twice is in it twice."""
    boxes: Mapping[str, Mapping[int, int]]
    """Split to class number to boxes of those images."""
    warnings: tuple[str, ...]
    fingerprint: str
    """SHA-256 over names, sizes and labels of all images; equal for two studies that use the same data."""
    keypoints: int = 0
    """Number of keypoint values in a label line; they are cut off."""
    polygons: frozenset[str] = frozenset()
    """The splits in which every box is given as a polygon, on which `copy_paste` acts."""
