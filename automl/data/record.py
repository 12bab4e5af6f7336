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
    boxes: Mapping[str, Mapping[int, int]]
    """Split to class number to boxes."""
    warnings: tuple[str, ...]
    fingerprint: str
    """SHA-256 over names, sizes and labels of all images, so that two studies can tell whether they share data."""
