"""Page of the report on a data set: one HTML file with pictures, readable offline (`automl check --report FILE`)."""

import base64
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from automl.data.report import grade
from automl.data.report.crops import Crop, crop
from automl.data.report.records import Box, CopyPairs, DataReport, Reason, SuspectKind
from automl.data.report.thresholds import FEW_BOXES
from automl.storage import files
from automl.study.errors import StudyError
from automl.study.text import printable
from automl.tracking import html_templates
from automl.tracking.data_report_texts import FINDINGS, REASONS, SUSPECTS, TEXTS
from automl.tracking.report.language import Language

MARK: Final = b'<meta name="generator" content="automl data report">'
"""By it a page is recognised and replaced by the next one."""
HEAD: Final = 1024
"""Bytes of a file in which the mark is searched."""
SUSPECTS_SHOWN: Final = 12
PAIRS_SHOWN: Final = 6
"""Pictures of each kind: a page stays below a few megabytes."""
CLASSES_SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture with boxes, in pixels of its image."""

    uri: str
    """Empty where the image cannot be shown."""
    crop: Crop | None
    boxes: Sequence[tuple[float, float, float, float, str]]
    """Left, top, width, height and role (suspect or partner) of the boxes drawn."""
    title: str
    text: str
    path: Path


def refuse_other(path: Path) -> None:
    """Check that a page can be written to a path: a new file, or an earlier page.

    Raises:
        StudyError: the path is another file, or is in a folder that is missing or not writable.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise StudyError(f"{path}: must be in an existing folder, but {folder} is none; create it")
    if path.is_dir() or (path.exists() and not _is_page(path)):
        raise StudyError(
            f"{path}: must be a new file or an earlier data report, but exists and is something else; "
            "choose another name"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StudyError(f"{path}: must be in a writable folder, but {folder} is not; choose another folder")


def _is_page(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return MARK in file.read(HEAD)


def write(report: DataReport, path: Path, *, language: Language = Language.EN) -> None:
    """Write the page of a report; the images must still exist."""
    texts = TEXTS[language]
    page = html_templates.environment().get_template("data_report.html.j2").render(
        t=texts,
        report=report,
        reasons=[(reason, finding_in(reason, language)) for reason in reasons_in(report, language)],
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        classes=_classes(report),
        classes_shown=CLASSES_SHOWN,
        few=FEW_BOXES,
        galleries=[(kind, list(_suspects(kind, language))) for kind in report.suspects],
        copies=[(group, list(_pairs(group))) for group in report.copies],
        damaged=any(one.images or one.lines or one.repeated for one in report.broken.values()),
    )  # fmt: skip
    files.write_text(path, printable(page))


def reasons_in(report: DataReport, language: Language) -> tuple[Reason, ...]:
    """Return the reasons of a report's grade in a language."""
    return report.reasons if language is Language.EN else grade.reasons(grade.facts_of(report), REASONS[language])


def finding_in(reason: Reason, language: Language) -> str:
    """Return the name of a reason's finding in a language."""
    return reason.finding if language is Language.EN else FINDINGS[reason.finding]


def _classes(report: DataReport) -> list[str]:
    """Return the class names, those with most boxes first."""
    names = list(dict.fromkeys(name for facts in report.splits.values() for name in facts.classes))
    return sorted(names, key=lambda name: -sum(facts.classes[name].boxes for facts in report.splits.values()))


def _suspects(kind: SuspectKind, language: Language) -> Iterator[Drawing]:
    for suspect in kind.worst[:SUSPECTS_SHOWN]:
        boxes = [(suspect.box, "suspect"), *([(suspect.partner, "partner")] if suspect.partner else [])]
        said = SUSPECTS.get(kind.kind) if language is Language.ZH else None
        text = said.format(badness=suspect.badness, left=1 - suspect.badness) if said else suspect.text
        yield _drawing(suspect.image, suspect.box, boxes, (f"{suspect.name} ({suspect.split})", text))


def _pairs(group: CopyPairs) -> Iterator[tuple[Drawing, Drawing]]:
    for copy, first in group.pairs[:PAIRS_SHOWN]:
        yield _drawing(copy, None, [], (group.split, "")), _drawing(first, None, [], (group.other, ""))


def _drawing(path: Path, around: Box | None, boxes: Sequence[tuple[Box, str]], words: tuple[str, str]) -> Drawing:
    part = crop(path, around)
    uri = f"data:image/jpeg;base64,{base64.b64encode(part.jpeg).decode()}" if part else ""
    drawn = [_rectangle(box, role, part) for box, role in boxes] if part else []
    return Drawing(uri, part, drawn, *words, path)


def _rectangle(box: Box, role: str, part: Crop) -> tuple[float, float, float, float, str]:
    width, height = part.image
    x, y, across, down = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    return round(x - across / 2, 2), round(y - down / 2, 2), round(across, 2), round(down, 2), role
