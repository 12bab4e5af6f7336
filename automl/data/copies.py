"""Duplicate images between splits and within one: byte copies and near copies, independent of file names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

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


def warnings(images: Mapping[str, Sequence[Path]], pictures: Mapping[Path, Picture]) -> Iterator[str]:
    """Yield one message for each two splits, and for each split, that share duplicates."""
    unique = {split: list(dict.fromkeys(paths)) for split, paths in images.items()}
    share = max(1.0, sum(map(len, unique.values())) / MOST_COMPARED)
    thumbnails = {split: _thumbnails(_spread(paths, share), pictures) for split, paths in unique.items()}
    for one, other in combinations(unique, 2):
        alike = _same(unique[one], unique[other], pictures)
        near = _without(_near(thumbnails[one], thumbnails[other]), alike)
        remedy = f"metrics on {other} are then too high; keep each image in one split"
        yield from _message(f"images of {other} are copies of images of {one}", alike, of=unique[other], remedy=remedy)
        yield from _message(
            f"images of {other} are near copies of images of {one}", near, of=unique[other], remedy=remedy
        )
    for split, paths in unique.items():
        alike = _same_inside(paths, pictures)
        near = _without(_near(thumbnails[split], None), alike)
        yield from _message(
            f"images of {split} are copies of others in it",
            alike,
            of=paths,
            remedy="each copy counts as one more image",
        )
        yield from _message(
            f"images of {split} are near copies of others in it", near, of=paths, remedy="they add little information"
        )
    if share > 1:
        yield f"near copies were searched among {MOST_COMPARED} of {sum(map(len, unique.values()))} images"


def _message(what: str, pairs: Sequence[Pair], *, of: Sequence[Path], remedy: str) -> Iterator[str]:
    if pairs:
        shown = "".join(f"\n  {copy} = {first}" for copy, first in pairs[:PAIRS])
        more = f"\n  and {len(pairs) - PAIRS} more" if len(pairs) > PAIRS else ""
        yield f"{len(pairs)} of {len(of)} {what}; {remedy}:{shown}{more}"


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
