"""Images without a label file and label files without an image, counted, with the likely reason."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from automl.data import annotations
from automl.data.images import IMAGES
from automl.data.labels import label_of

NO_LABELS: Final = frozenset({"classes", "labels", "train", "val", "valid", "test", "readme", "requirements", "notes"})
"""Stems of text files that are often beside labels but are not labels."""
MAX_EXPLAINED: Final = 20
"""Maximum number of images for which a reason is searched."""


def warnings(images: Sequence[Path]) -> Iterator[str]:
    """Yield unpaired images and label files of a split: at most one message for each kind."""
    unique = list(dict.fromkeys(images))
    missing = [image for image in unique if not _there(label_of(image))]
    orphans = _orphans(unique)
    if missing:
        reason = _reason(missing, orphans)
        yield (
            f"{len(missing)} of {len(unique)} images have no label file and count as background, such as {missing[0]} "
            f"(expected {label_of(missing[0])}){reason}"
        )
    if orphans:
        yield f"{len(orphans)} label files belong to no image, such as {orphans[0]}"


def _there(label: Path) -> bool:
    try:
        return label.exists() or label.is_symlink()
    except (OSError, ValueError):
        return False


def _orphans(images: Sequence[Path]) -> list[Path]:
    """Return the label files in a split's label folders that belong to no image on disk."""
    found: list[Path] = []
    for folder in dict.fromkeys(image.parent for image in images):
        labels = label_of(folder / "a.jpg").parent
        try:
            stems = {path.stem for path in folder.iterdir() if path.suffix.lower() in IMAGES}
            files = sorted(path for path in labels.iterdir() if path.suffix.lower() == ".txt")
        except OSError:
            continue
        found += [
            path
            for path in files
            if (path.stem not in stems or path.suffix != ".txt")
            and path.stem.lower() not in NO_LABELS
            and not path.name.startswith(".")
        ]
    return found


def _reason(missing: Sequence[Path], orphans: Sequence[Path]) -> str:
    """Return the likely reason why labels are not found, empty if none is known."""
    by_name = {_plain(path.stem): path for path in orphans}
    for image in missing[:MAX_EXPLAINED]:
        if (beside := image.with_suffix(".txt")).is_file():
            return f"; label files are in the folder of the images, such as {beside}, where they are not read"
        if other := by_name.get(_plain(image.stem)) or _contained(image.stem, orphans):
            return f"; names differ: {other.name} may belong to {image.name}"
        for folder in list(label_of(image).parents)[1:3]:
            if (elsewhere := folder / label_of(image).name).is_file():
                return f"; label files are in another folder, such as {elsewhere}"
    foreign = annotations.foreign(missing[0].parent) or annotations.foreign(label_of(missing[0]).parent)
    return f"; {foreign}" if foreign else ""


def _plain(stem: str) -> str:
    r"""Return a normalized name: no case, no punctuation, no image suffix, accented letters composed.

    >>> _plain("Part#3.JPG"), _plain("part_3"), _plain("e\u0301") == _plain("\u00e9")
    ('part_3', 'part_3', True)
    """
    composed = unicodedata.normalize("NFC", stem).casefold()
    without = re.sub(r"\.(jpe?g|png|bmp|tiff?|webp)$", "", composed)
    return re.sub(r"\W+", "_", without)


def _contained(stem: str, orphans: Sequence[Path]) -> Path | None:
    """Return a label file whose name contains that of the image, as with a prefix or a hash."""
    return next((path for path in orphans if path.stem.endswith(stem) or path.stem.startswith(stem)), None)
