"""Records of the report on a data set."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from automl.data.report.thresholds import REASONS

Box = tuple[float, float, float, float]
"""Centre x, centre y, width, height as shares of the image."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a data set has no better grade."""

    grade: str
    """Best grade that the finding allows."""
    finding: str
    text: str
    """A sentence with the numbers, and what to do."""


@dataclass(frozen=True, slots=True)
class ClassCount:
    """Boxes of a class in a split, and images that contain one."""

    boxes: int
    images: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Quantiles of a value over the images of a split."""

    least: float
    low: float
    """Tenth percentile."""
    median: float
    high: float
    """Ninetieth percentile."""
    most: float


@dataclass(frozen=True, slots=True)
class Appearance:
    """Resolution, brightness and sharpness of the images of a split."""

    width: Spread
    height: Spread
    brightness: Spread
    """Mean grey level, 0 to 255."""
    sharpness: Spread
    """Variance of the Laplacian of a picture of 64 x 64."""
    resolutions: Mapping[str, int]
    """The most frequent resolutions, such as `640 x 480`, and their images."""
    other_resolutions: int
    """Number of further resolutions."""
    dark: tuple[Path, ...]
    bright: tuple[Path, ...]
    blurred: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class SplitFacts:
    """Facts on a split; an image that is listed twice counts once."""

    listed: int
    images: int
    """Usable images."""
    backgrounds: int
    """Usable images without a box."""
    boxes: int
    classes: Mapping[str, ClassCount]
    sizes: Mapping[str, int]
    """Size group to boxes, in pixels of the image."""
    sizes_trained: Mapping[str, int]
    """The same at the study's image size."""
    places: tuple[tuple[int, ...], ...]
    """Box centres in a grid of cells, the top row first."""
    appearance: Appearance | None
    """None where no image is usable."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A box whose label is probably wrong."""

    split: str
    image: Path
    name: str
    """Class of the box."""
    box: Box
    text: str
    """What is suspicious, with numbers."""
    badness: float
    """Larger is worse, within one kind."""
    partner: Box | None = None
    """The other box of a pair."""


@dataclass(frozen=True, slots=True)
class SuspectKind:
    """Suspicious labels of one kind: all are counted, the worst listed."""

    kind: str
    count: int
    worst: tuple[Suspect, ...]


@dataclass(frozen=True, slots=True)
class CopyPairs:
    """Images of a split that are duplicates of images of another split, or of others in it."""

    split: str
    other: str
    exact: bool
    count: int
    of: int
    """Images of the split."""
    pairs: tuple[tuple[Path, Path], ...]
    """Copy, and the image that it repeats."""

    @property
    def between(self) -> bool:
        """Return True if the duplicates are in two splits (leakage)."""
        return self.split != self.other


@dataclass(frozen=True, slots=True)
class BrokenFiles:
    """Unusable images and invalid label lines of a split."""

    unreadable: int
    left_out: int
    """Images excluded because of invalid label lines."""
    repeated: int
    """Label lines that repeat another of their file; they are dropped."""
    images: tuple[tuple[Path, str], ...]
    """Unusable images, with the reason."""
    lines: tuple[str, ...]
    """Messages on invalid label lines."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A class with few boxes, or none, in a split."""

    split: str
    name: str
    boxes: int


@dataclass(frozen=True, slots=True)
class DataReport:
    """Report on a data set."""

    source: Path
    fingerprint: str
    imgsz: int
    """Image size of the study in pixels, at which box sizes are judged."""
    grade: str
    """A to D."""
    reasons: tuple[Reason, ...]
    """The worst first."""
    splits: Mapping[str, SplitFacts]
    copies: tuple[CopyPairs, ...]
    broken: Mapping[str, BrokenFiles]
    suspects: tuple[SuspectKind, ...]
    suspicious: Mapping[str, int]
    """Split to the number of its boxes with a suspicious label."""
    gaps: tuple[Gap, ...]
    notes: tuple[str, ...]
    """What was not examined."""

    def lines(self) -> Iterator[str]:
        """Yield the summary for the terminal."""
        count = len(self.reasons)
        yield f"data grade: {self.grade}" + (f" ({count} reason{'s' if count > 1 else ''})" if count else "")
        yield from (f"  {reason.grade}: {reason.text}" for reason in self.reasons[:REASONS])
        if count > REASONS:
            yield f"  and {count - REASONS} more: --report FILE.html lists them with pictures"
        yield from (f"  note: {note}" for note in self.notes)
