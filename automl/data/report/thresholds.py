"""Thresholds of the report on a data set, each with its reason."""

from math import inf
from types import MappingProxyType
from typing import Final

SIZES: Final = MappingProxyType({"tiny": 8.0, "small": 32.0, "medium": 96.0, "large": inf})
"""Groups of box sizes, by the root of the area in pixels, and the end of each: 8 is one cell of the finest grid of a
YOLO head (stride 8); 32 and 96 are the limits of small and medium objects in COCO."""
GRID: Final = 8
"""Cells a side of the histogram of box centres: coarse enough to be filled by a hundred boxes."""

TINY_SIDE: Final = 3.0
"""Pixels of the image below which a box's side is suspicious: it shows no object, and is usually a click in place of a
drag. What the study's image size makes small is a matter of `imgsz`, not of the label: see `tiny boxes` below."""
HUGE_SHARE: Final = 0.9
"""Share of the image's area from which a box is suspicious: usually a label of the whole picture."""
REPEATED_IOU: Final = 0.9
"""Overlap of two boxes of one class that are the same object: non-maximum suppression (0.7) would keep one of them."""
OTHER_CLASS_IOU: Final = 0.8
"""Overlap of boxes of two classes that are probably the same object, labelled twice."""
BORDER: Final = 1.0
"""Pixels from the image's border at which a box touches it; labels are rounded to less."""
SLIVER: Final = 0.2
"""Share of its class's median side that is left of a box at the border, below which it is a remainder of a cut object:
less than a fifth can rarely be recognised."""
ENOUGH: Final = 5
"""Boxes of a class inside the image from which their median is used."""
MOST_NEIGHBOURS: Final = 500
"""Boxes that may start between the left edges of two boxes which are compared; bounds the work on label files that
repeat one place thousands of times."""

FEW_BOXES: Final = 20
"""Boxes of a class in a split below which neither training nor an average precision says much: one box is 5%."""
FEW_IMAGES: Final = (300, 50)
"""Training images below which the grade is at most B, C: pretrained detectors are fine-tuned with some hundreds."""
DARK: Final = 30.0
BRIGHT: Final = 225.0
"""Mean grey levels of 255 below and above which an image is under- or overexposed."""
BLURRED: Final = 0.1
"""Share of the median sharpness of the data set below which an image is blurred against the others."""
SHIFT: Final = 40.0
"""Difference of the median brightness of two splits, in grey levels, from which they look alike no more: more than
Ultralytics' `hsv_v` of 0.4 changes a picture of mean level 100."""

SHARES: Final = MappingProxyType({
    "leakage": (0.0, 0.01, 0.05),
    "duplicates": (0.05, 0.2, inf),
    "unusable": (0.005, 0.02, 0.1),
    "suspicious labels": (0.01, 0.05, 0.15),
    "tiny boxes": (0.1, 0.5, inf),
    "backgrounds": (0.3, 0.7, inf),
    "exposure": (0.05, 0.2, inf),
    "blur": (0.05, 0.2, inf),
})  # fmt: skip
"""Finding to the shares above which the grade is at most B, C and D. Leakage: a single shared image makes a metric too
high, and a few per cent hide the differences that a search compares. Unusable images and suspicious labels: about 1% is
the noise of careful annotation (the check accepts as many invalid lines), more than a tenth shows a fault of the
export. Duplicates, exposure, blur, tiny boxes and images without boxes cost accuracy, but falsify no metric: no D."""
IMBALANCE: Final = (20.0, 100.0, inf)
"""Most boxes of a class over fewest in training above which the grade is at most B, C, D."""

MOST_LISTED: Final = 100
"""Findings of one kind that the record lists; all are counted."""
REASONS: Final = 5
"""Reasons that the terminal shows."""
