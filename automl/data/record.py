"""Record of a checked data set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from automl.data.identity import Identity


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
    """SHA-256 of the identity; equal for two studies that use the same data."""
    keypoints: int = 0
    """Number of keypoint values in a label line; they are cut off."""
    polygons: frozenset[str] = frozenset()
    """The splits in which every box is given as a polygon, on which `copy_paste` acts."""
    identity: Identity = field(default_factory=Identity)
    """Class names, and the content of all listed images and labels."""
    listed: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    """Split to all its images, also the excluded ones."""
    places: tuple[Path, ...] = ()
    """Folders and list files of the splits, resolved."""
    texts: Mapping[Path, str] = field(default_factory=dict)
    """Image to its valid label lines, without repeats, as they are staged."""
