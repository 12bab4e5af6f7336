"""Page of the label audit: one HTML file with a crop of each suspect, readable offline."""

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from automl.data.audit.records import Box, Kind, Suspect
from automl.data.report.crops import Crop, crop
from automl.storage import files
from automl.study.text import printable
from automl.tracking import html_templates
from automl.tracking.audit_texts import TEXTS
from automl.tracking.report.language import Language

SHOWN: Final = 200
"""Crops on a page, of about 10 kB each: it stays below a few megabytes."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the page says of the audit as a whole."""

    study: str
    source: Path
    models: Sequence[str]
    images: Mapping[str, int]
    labels: Mapping[str, int]
    learned: bool = False
    """Scores are estimated probabilities."""
    folds: int = 0
    """Trainings of a cross-validation that predicted; 0: the study's models did."""


@dataclass(frozen=True, slots=True)
class Card:
    """One suspect with its crop."""

    suspect: Suspect
    uri: str
    """Empty where the image cannot be shown."""
    crop: Crop | None
    boxes: Sequence[tuple[float, float, float, float, str]]
    """Left, top, width and height in pixels of the image, and role (label or seen)."""
    text: str


def write(path: Path, head: Head, suspects: Sequence[Suspect], *, language: Language) -> None:
    """Write the page; the images must still exist."""
    texts = TEXTS[language]
    page = html_templates.environment().get_template("audit.html.j2").render(
        t=texts,
        head=head,
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        kinds=[(kind, sum(one.kind == kind for one in suspects)) for kind in Kind],
        by_split=Counter(one.split for one in suspects),
        cards=list(_cards(suspects[:SHOWN], texts)),
        count=len(suspects),
    )  # fmt: skip
    files.write_text(path, printable(page))


def _cards(suspects: Sequence[Suspect], texts: Mapping[str, str]) -> Iterator[Card]:
    for one in suspects:
        boxes = [(box, role) for box, role in ((one.box, "label"), (one.suggested_box, "seen")) if box]
        part = crop(one.image, _around([box for box, _ in boxes]))
        uri = f"data:image/jpeg;base64,{base64.b64encode(part.jpeg).decode()}" if part else ""
        drawn = [_rectangle(box, role, part) for box, role in boxes] if part else []
        text = texts[f"{one.kind}_text"].format(cls=one.cls, suggested=one.suggested_cls)
        yield Card(one, uri, part, drawn, text)


def _around(boxes: Sequence[Box]) -> Box:
    """Return the smallest box that contains all.

    >>> _around([(0.25, 0.5, 0.5, 0.5), (0.75, 0.5, 0.5, 0.25)])
    (0.5, 0.5, 1.0, 0.5)
    """
    left, top = min(x - w / 2 for x, _, w, _ in boxes), min(y - h / 2 for _, y, _, h in boxes)
    right, bottom = max(x + w / 2 for x, _, w, _ in boxes), max(y + h / 2 for _, y, _, h in boxes)
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top


def _rectangle(box: Box, role: str, part: Crop) -> tuple[float, float, float, float, str]:
    width, height = part.image
    x, y, across, down = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    return round(x - across / 2, 2), round(y - down / 2, 2), round(across, 2), round(down, 2), role
