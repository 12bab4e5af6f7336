"""Image files of a split: those in its folders and those named by its list files."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from automl.data.places import list_text, resolved
from automl.study.errors import DataError

IMAGES: Final = frozenset({
    ".avif", ".bmp", ".dng", ".heic", ".heif", ".jp2", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp",
})  # fmt: skip
"""Suffixes that Ultralytics 8.4.190 accepts as images (`IMG_FORMATS`)."""
UNREAD: Final = frozenset({
    ".arw", ".cr2", ".exr", ".gif", ".ico", ".jfif", ".jpe", ".jpx", ".jxl", ".nef", ".pbm", ".pgm", ".pfm", ".ppm",
    ".psd", ".raw", ".svg", ".tga",
})  # fmt: skip
"""Suffixes of other image formats, which Ultralytics skips without a message."""
MOST_OTHERS: Final = 100_000
"""Folders and files that are no images up to which a split's folder is searched, where images are few among them."""
OTHERS_EACH: Final = 10
"""The same for each image found: labels, caches and notes stand beside images."""


@dataclass(slots=True)
class Listing:
    """The images of a split, before their content is read."""

    images: list[Path] = field(default_factory=list)
    """In the order of the places; an image that is named more than once is in it as often."""
    unread: Counter[str] = field(default_factory=Counter)
    """Suffixes of image files that are skipped."""
    padded: int = 0
    """Lines of list files that end in white space, whose images Ultralytics leaves out."""
    others: int = 0
    """Folders and files found beside the images."""

    def repeats(self) -> int:
        """Return how many images are named by more than one line or place."""
        return sum(count > 1 for count in Counter(self.images).values())


def listing(places: Sequence[Path], *, roots: Sequence[Path]) -> Listing:
    """List the images of a split's places; relative lines of a list file are read from its folder or from `roots`.

    A symlinked image keeps the path of its link, since its labels are beside the link.

    Raises:
        DataError: a folder has many files besides images, as the root of a disk does.
    """
    found = Listing()
    for place in places:
        if place.is_dir():
            found.images += sorted(_below(place, found))
        else:
            found.images += _listed(place, (place.parent, *roots, Path.cwd()), found)
    return found


def _listed(place: Path, roots: Sequence[Path], found: Listing) -> Iterator[Path]:
    """Yield the images of a list file; comments are left out, and a backslash may stand for a slash."""
    for line in list_text(place).strip().splitlines():
        text = line.strip()
        if not text or (text.startswith("#") and Path(text).suffix.lower() not in IMAGES):
            continue
        texts = (text, text.replace("\\", "/")) if "\\" in text else (text,)
        tried = [root / each for each in texts for root in roots]
        path = next((path for path in tried if not image_problem(path)), tried[0])
        found.padded += line != line.rstrip() and path.suffix.lower() in IMAGES
        yield path


def _below(folder: Path, found: Listing) -> Iterator[Path]:
    """Yield the images in a folder and its subfolders; symlinked folders are entered too, each once.

    Hidden files and folders are skipped, as by Ultralytics' glob: thumbnails, checkpoints, resource forks.
    """
    seen: set[Path] = set()
    images = 0
    for root, folders, files in os.walk(folder, followlinks=True):
        if (real := resolved(Path(root))) in seen:
            folders.clear()
            continue
        seen.add(real)
        found.others += 1
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(root, name) for name in files if not name.startswith(".")):
            if (suffix := path.suffix.lower()) in IMAGES:
                images += 1
                yield path
                continue
            found.others += 1
            if suffix in UNREAD:
                found.unread[suffix] += 1
        if found.others > max(MOST_OTHERS, OTHERS_EACH * images):
            raise DataError(
                f"must be a folder of images, but {folder} has more than {found.others} other files and folders, "
                f"and {images} images among those looked at; name the folder of the images"
            )


def image_problem(image: Path) -> str:
    """Return why a path is no image, empty when it is one; its content is not decoded."""
    if image.suffix.lower() not in IMAGES:
        return f"must be an image ({', '.join(sorted(IMAGES))})"
    try:
        return "" if image.is_file() and image.stat().st_size else "is listed, but is missing or empty"
    except (OSError, ValueError) as error:
        return f"cannot be read: {error}"
