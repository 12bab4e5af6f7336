"""Duplicate images between splits and within one: byte copies and near copies, independent of file names."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from automl.data.picture_cache import Lines, kept_lines
from automl.data.pictures import THUMBNAIL, Picture

MOST_COMPARED: Final = 20_000
"""Images compared for near copies, spread over the splits: the work grows with the square of their number."""
MEAN_DIFFERENCE: Final = 1.0
MAX_DIFFERENCE: Final = 6.0
"""Grey levels between thumbnails of near copies: a picture saved again, at another quality or size, stays below."""
FLAT: Final = 4.0
"""Thumbnails whose grey levels deviate less are too flat to compare."""
BLOCK: Final = 4
"""A block of BLOCK x BLOCK thumbnail pixels is one number of the descriptor by which the nearest image is found."""
ROWS: Final = 1024
PAIRS: Final = 3
"""Maximum number of pairs shown in a message."""

Pair = tuple[Path, Path]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Images of a split that are duplicates of images of another split, or of others in it."""

    split: str
    other: str
    """Split of the images that are repeated; the same for duplicates inside a split."""
    exact: bool
    """True for byte copies, False for near copies."""
    of: int
    """Images of the split."""
    pairs: tuple[Pair, ...]
    """Copy, and the image that it repeats."""

    @property
    def between(self) -> bool:
        """Return True if the duplicates are in two splits (leakage)."""
        return self.split != self.other

    def message(self) -> tuple[str, ...]:
        """Return the lines of the message."""
        kind = "copies" if self.exact else "near copies"
        if self.between:
            what = f"images of {self.split} are {kind} of images of {self.other}"
            remedy = f"metrics on {self.split} are then too high; keep each image in one split"
        else:
            what = f"images of {self.split} are {kind} of others in it"
            remedy = "each copy counts as one more image" if self.exact else "they add little information"
        shown = [f"  {copy} = {first}" for copy, first in self.pairs[:PAIRS]]
        more = [f"  and {len(self.pairs) - PAIRS} more"] if len(self.pairs) > PAIRS else []
        return (f"{len(self.pairs)} of {self.of} {what}; {remedy}:", *shown, *more)


@dataclass(frozen=True, slots=True)
class Copies:
    """All duplicates of a data set."""

    groups: tuple[Duplicates, ...] = ()
    images: int = 0
    """Images of all splits."""
    compared: int = 0
    """Images among which near copies were searched."""

    def messages(self) -> Iterator[tuple[str, ...]]:
        """Yield the lines of one message for each two splits, and for each split, that share duplicates."""
        yield from (group.message() for group in self.groups)
        if self.compared < self.images:
            yield (f"near copies were searched among {self.compared} of {self.images} images",)

    def to_text(self) -> str:
        """Return the JSON text that `from_text` reads."""
        groups = [
            [group.split, group.other, group.exact, group.of, [list(map(str, pair)) for pair in group.pairs]]
            for group in self.groups
        ]
        return json.dumps([groups, self.images, self.compared])

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `to_text` wrote.

        Raises:
            ValueError, TypeError: the text is of another kind.
        """
        groups, images, compared = json.loads(text)
        read = (
            Duplicates(split, other, exact, of, tuple((Path(copy), Path(first)) for copy, first in pairs))
            for split, other, exact, of, pairs in groups
        )
        return cls(tuple(read), int(images), int(compared))


@dataclass(frozen=True, slots=True)
class _Thumbnails:
    """Thumbnails of the images of a split that can be compared."""

    images: Sequence[Path]
    pixels: Floats
    """n x THUMBNAIL x THUMBNAIL."""

    @property
    def blocks(self) -> Floats:
        side = THUMBNAIL // BLOCK
        split = self.pixels.reshape(-1, side, BLOCK, side, BLOCK)
        return np.asarray(split.mean(axis=(2, 4)).reshape(-1, side * side), dtype=np.float32)


def kept(images: Mapping[str, Sequence[Path]], pictures: Mapping[Path, Picture], *, cache: Path | None) -> Copies:
    """Return the duplicates, those of the last time where paths and contents are the same."""
    texts = kept_lines(images, pictures, Lines(lambda: [find(images, pictures).to_text()], cache))
    try:
        return Copies.from_text(texts[0])
    except (ValueError, TypeError, IndexError):  # the cache was edited
        return find(images, pictures)


def find(images: Mapping[str, Sequence[Path]], pictures: Mapping[Path, Picture]) -> Copies:
    """Search the duplicates between splits and inside them."""
    unique = {split: list(dict.fromkeys(paths)) for split, paths in images.items()}
    count = sum(map(len, unique.values()))
    share = max(1.0, count / MOST_COMPARED)
    thumbnails = {split: _thumbnails(_spread(paths, share), pictures) for split, paths in unique.items()}
    found: list[Duplicates] = []
    for one, other in combinations(unique, 2):
        alike = _same(unique[one], unique[other], pictures)
        near = _without(_near(thumbnails[one], thumbnails[other]), alike)
        found += _groups(other, one, (alike, near), of=len(unique[other]))
    for split, paths in unique.items():
        alike = _same_inside(paths, pictures)
        near = _without(_near(thumbnails[split], None), alike)
        found += _groups(split, split, (alike, near), of=len(paths))
    return Copies(tuple(found), count, min(count, MOST_COMPARED) if share > 1 else count)


def _groups(split: str, other: str, pairs: tuple[Sequence[Pair], Sequence[Pair]], *, of: int) -> Iterator[Duplicates]:
    for exact, found in zip((True, False), pairs, strict=True):
        if found:
            yield Duplicates(split, other, exact, of, tuple(found))


def _same(one: Sequence[Path], other: Sequence[Path], pictures: Mapping[Path, Picture]) -> list[Pair]:
    """Return the images of one split with a byte copy in another."""
    known = {pictures[path].digest: path for path in reversed(one)}
    return [(path, known[pictures[path].digest]) for path in other if pictures[path].digest in known]


def _same_inside(paths: Sequence[Path], pictures: Mapping[Path, Picture]) -> list[Pair]:
    known: dict[bytes, Path] = {}
    return [(path, first) for path in paths if (first := known.setdefault(pictures[path].digest, path)) is not path]


def _without(near: Sequence[Pair], alike: Sequence[Pair]) -> list[Pair]:
    exact = {copy for copy, _ in alike}
    return [pair for pair in near if pair[0] not in exact]


def _spread(paths: Sequence[Path], share: float) -> list[Path]:
    return [paths[int(index * share)] for index in range(int(len(paths) / share))]


def _thumbnails(paths: Sequence[Path], pictures: Mapping[Path, Picture]) -> _Thumbnails:
    """Collect the thumbnails of a split's images, without the flat ones."""
    packed = b"".join(pictures[path].thumbnail for path in paths)
    pixels = np.frombuffer(packed, np.uint8).reshape(-1, THUMBNAIL, THUMBNAIL)
    kept = pixels.std(axis=(1, 2)) >= FLAT if len(pixels) else np.zeros(0, dtype=np.bool_)
    return _Thumbnails([path for path, keep in zip(paths, kept, strict=True) if keep], pixels[kept].astype(np.float32))


def _near(known: _Thumbnails, candidates: _Thumbnails | None) -> list[Pair]:
    """Return the images of `candidates` whose nearest of `known` is nearly the same.

    Without `candidates`, those of `known` that are nearly the same as an image before them.
    """
    ours = known if candidates is None else candidates
    if not ours.images or not known.images:
        return []
    theirs = known.blocks
    blocks = theirs if candidates is None else ours.blocks
    lengths = (theirs**2).sum(axis=1)
    found: list[Pair] = []
    for start in range(0, len(blocks), ROWS):
        rows = blocks[start : start + ROWS]
        distances = lengths[None, :] - 2 * rows @ theirs.T
        if candidates is None:  # only images before the candidate are compared
            distances[np.arange(len(theirs))[None, :] >= np.arange(start, start + len(rows))[:, None]] = np.inf
        for row, index in enumerate(distances.argmin(axis=1)):
            if np.isfinite(distances[row, index]) and _alike(ours.pixels[start + row], known.pixels[index]):
                found.append((ours.images[start + row], known.images[index]))
    return found


def _alike(one: Floats, other: Floats) -> bool:
    difference = np.abs(one - other)
    return bool(difference.mean() <= MEAN_DIFFERENCE and difference.max() <= MAX_DIFFERENCE)
