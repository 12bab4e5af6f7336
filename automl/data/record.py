"""Record of a checked data set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from automl.data.identity import Identity

if TYPE_CHECKING:
    from automl.data.copies import Copies
    from automl.data.pictures import Picture


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a check saw of images and labels, for the report on the data."""

    pictures: Mapping[Path, "Picture"]
    """Listed image to its findings, without thumbnail."""
    copies: "Copies"
    unreadable: Mapping[str, tuple[tuple[Path, str], ...]]
    """Split to its unusable images, each with the reason."""
    invalid: Mapping[str, tuple[str, ...]]
    """Split to the messages on its invalid label lines."""
    left_out: Mapping[str, int]
    """Split to the number of images excluded because of invalid label lines."""
    repeated: Mapping[str, int]
    """Split to the number of label lines that repeat another of their file."""


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
    """Messages, some of several lines; the names in them are escaped."""
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
    evidence: Evidence | None = field(default=None, compare=False, repr=False)
    """None where the data set was not made by a check."""
