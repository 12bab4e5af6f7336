"""Lookup of an image by the name in an annotation: among the images of the source only, whatever path the name has."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit


class ImageIndex:
    """Images of a source by file name and by stem."""

    def __init__(self, images: Sequence[Path]) -> None:
        """Index images."""
        self._names, self._stems = defaultdict[str, list[Path]](list), defaultdict[str, list[Path]](list)
        for image in images:
            self._names[image.name].append(image)
            self._stems[image.stem].append(image)

    def find(self, name: str, *, near: Path) -> Path | None:
        """Return the image of that name; of several the one whose path ends alike, then the one near a folder.

        None where there is none, or where several fit equally well.
        """
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if not parts:
            return None
        found = self._names.get(parts[-1]) or self._stems.get(PurePosixPath(parts[-1]).stem) or []
        ranked = sorted(found, key=lambda image: _fit(image, parts, near), reverse=True)
        if len(ranked) > 1 and _fit(ranked[0], parts, near) == _fit(ranked[1], parts, near):
            return None
        return ranked[0] if ranked else None


def _fit(image: Path, parts: Sequence[str], near: Path) -> tuple[int, int]:
    """Return how many last parts of the path are those of the name, and how many first parts are those of a folder."""
    pairs = list(zip(reversed(image.parts), reversed(parts), strict=False))
    same = next((number for number, (one, other) in enumerate(pairs) if one != other), len(pairs))
    common = zip(image.parts, near.parts, strict=False)
    return same, sum(one == other for one, other in common)


def name_in_address(address: str) -> str:
    """Return the file path in an address of an image, as Label Studio stores it.

    >>> name_in_address("/data/local-files/?d=line1%2Fa.jpg"), name_in_address("s3://bucket/x/b.png")
    ('line1/a.jpg', '/x/b.png')
    """
    found = urlsplit(address)
    given = parse_qs(found.query).get("d")
    return given[0] if given else unquote(found.path)
