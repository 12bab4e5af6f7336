"""Table of the findings in the report, with the last picture of the training where one shows what is meant."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from markupsafe import Markup

from automl.data.report.crops import reduced
from automl.study.text import one_line
from automl.tracking import event_pictures
from automl.tracking.diagnosis import findings_file
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.report.chinese_findings import FINDINGS, coded, evidence
from automl.tracking.report.language import Language, Words

TAGS: Final[Mapping[str, str]] = {
    "augmentation without effect": "input/augmented",
    "mosaic closed": "input/augmented",
    "objects made tiny": "input/augmented",
    "class suppressed": "val/predictions",
    "small objects missed": "val/predictions",
    "attention to background": "val/predictions",
    "nothing learned": "val/predictions",
    "overfitting": "val/predictions",
}
"""Name of a finding to the tag of the picture that shows it."""
MOST_PICTURES: Final = 6
NAMED: Final = 12
"""Other trainings with a finding that are named."""
SIDE: Final = 640
"""Longer side of a picture in pixels: nine images side by side stay readable."""


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding for the page."""

    where: str | Markup
    name: str | Markup
    text: str | Markup
    advice: str | Markup
    also: str | Markup = ""
    """The other trainings that have it."""
    tag: str = ""
    picture: str = ""
    """A data URI; empty where there is none."""
    size: tuple[int, int] = (1, 1)
    """Width and height of the picture."""


def rows(findings: Sequence[Finding], words: Words, folders: Mapping[str, Path]) -> list[FindingRow]:
    """Return a row for each kind of finding in the language of the page: its last one, and who else has it.

    `folders` maps `Finding.trial` to the folder of a training. A kind of finding has one picture, from its first row.
    """
    shown: set[str] = set()
    found = []
    for finding, others in findings_file.by_kind(findings):
        row, tag = _row(finding, others, words), TAGS.get(finding.name, "")
        if tag and finding.epoch and finding.name not in shown and len(shown) < MOST_PICTURES:
            content = event_pictures.latest(folders[finding.trial], tag) if finding.trial in folders else b""
            if part := reduced(content, SIDE):
                shown.add(finding.name)
                uri = f"data:image/jpeg;base64,{base64.b64encode(part.jpeg).decode()}"
                row = replace(row, tag=tag, picture=uri, size=part.image)
        found.append(row)
    return found


def _row(finding: Finding, others: Sequence[Finding], words: Words) -> FindingRow:
    where, also = _where(finding, words), _also(others, words)
    if words.language is Language.EN or finding.name not in FINDINGS:
        name, text, advice = (words.quoted(part) for part in (finding.name, finding.text, finding.advice))
        return FindingRow(where, name, text, advice, also)
    chinese, change = FINDINGS[finding.name]
    return FindingRow(where, chinese, evidence(finding), coded(change), also)


def _also(others: Sequence[Finding], words: Words) -> Markup:
    """Return the names of the other trainings with a finding, empty where there is none."""
    if not others:
        return Markup("")
    names = words("comma").join(_training(one, words) for one in others[:NAMED])
    more = words("finding_more", count=len(others) - NAMED) if len(others) > NAMED else Markup("")
    return words("finding_also") + names + more


def _where(finding: Finding, words: Words) -> Markup:
    where = _training(finding, words) if finding.trial else words("finding_study")
    return where + (words("comma") + words("finding_epoch", epoch=finding.epoch) if finding.epoch else Markup(""))


def _training(finding: Finding, words: Words) -> Markup:
    number = finding.trial.removeprefix("trial ")
    named = words("trial_number", number=number) if number.isdecimal() else Markup("<code>{}</code>")
    return named.format(one_line(finding.trial))
