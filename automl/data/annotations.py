"""Annotations in formats other than YOLO's (COCO, Pascal VOC, CVAT, LabelMe), recognised to say how to convert them."""

from itertools import chain, islice
from pathlib import Path
from typing import Final

MOST_LOOKED_AT: Final = 20
"""Maximum number of files whose first bytes are read."""
HEAD: Final = 4096

COCO: Final = (
    '{place} contains COCO annotations; convert them: python -c "from ultralytics.data.converter import convert_coco; '
    "convert_coco('{folder}', 'yolo', cls91to80=False)\", then move labels and images into yolo/ and write a data.yaml"
)
VOC: Final = (
    '{place} contains Pascal VOC annotations; convert them: pip install supervision && python -c "import supervision; '
    "supervision.DetectionDataset.from_pascal_voc('IMAGES', '{folder}')"
    ".as_yolo('yolo/images', 'yolo/labels', 'yolo/data.yaml')\""
)
CVAT: Final = "{place} contains CVAT annotations; export the task from CVAT again as `Ultralytics YOLO Detection`"
LABELME: Final = (
    "{place} contains LabelMe annotations; convert them: pip install labelme2yolo && labelme2yolo --json_dir {folder}"
)


def foreign(place: Path) -> str:
    """Return which annotations a file or a folder (searched one level deep) contains and how to convert them.

    Empty where no known format is found.
    """
    try:
        files = [place] if place.is_file() else _candidates(place)
        for path in files:
            with path.open("rb") as file:
                if remedy := _remedy(file.read(HEAD)):
                    return remedy.format(place=path, folder=path.parent)
    except OSError:
        return ""
    return ""


def _candidates(folder: Path) -> list[Path]:
    found = chain.from_iterable(folder.glob(f"{depth}*.{suffix}") for depth in ("", "*/") for suffix in ("json", "xml"))
    return [path for path in islice(found, MOST_LOOKED_AT) if path.is_file()]


def _remedy(head: bytes) -> str:
    if b"<annotations>" in head:
        return CVAT
    if b"<annotation>" in head or b"<annotation " in head:
        return VOC
    if b'"shapes"' in head and (b'"imagePath"' in head or b'"imageData"' in head or b'"flags"' in head):
        return LABELME
    keys = [b'"images"', b'"annotations"', b'"categories"', b'"licenses"', b'"info"']
    return COCO if head.lstrip().startswith(b"{") and sum(key in head for key in keys) >= 1 else ""
