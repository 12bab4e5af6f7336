"""Findings of the trainings of a study on disk: `findings.json` in each one's folder, written by the driver alone."""

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from automl.storage import files
from automl.storage.layout import CONFIRM, EXPORT, FINDINGS, trial_folder
from automl.study import Trial
from automl.study.spec import StudySpec
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.diagnosis.study_rules import StudyRecord
from automl.tracking.diagnosis.study_rules import findings as study_findings

NAMED: Final = 6
"""Further trainings with the same finding that are named in its line."""


def read(folder: Path) -> list[Finding]:
    """Return the findings in a training's folder; none if there is no file, or one that cannot be read.

    Nothing depends on them, and the next epoch writes them again.
    """
    try:
        return [Finding.from_dict(plain) for plain in json.loads((folder / FINDINGS).read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def write(folder: Path, findings: Iterable[Finding]) -> None:
    """Write the findings of a training."""
    files.write_json(folder / FINDINGS, [finding.to_dict() for finding in findings])


def of_study(folder: Path, spec: StudySpec, trials: Sequence[Trial]) -> list[Finding]:
    """Return all findings of the study in a folder: on the study, its trials, its re-trainings, what ships."""
    record = StudyRecord.of(
        trials, spec.search_space, ladder=spec.ladder, metric=spec.metric, budget=spec.budget.trials
    )
    folders = [trial_folder(folder, trial, spec.model) for trial in trials]
    retrained = sorted(path for path in (folder / CONFIRM).glob("*") if path.is_dir())
    places = (*folders, *retrained, folder / EXPORT)
    return [*study_findings(record), *(finding for place in places for finding in read(place))]


def by_kind(findings: Sequence[Finding]) -> list[tuple[Finding, list[Finding]]]:
    """Return for each kind of finding its last one, and those of other trainings.

    >>> [(last.trial, [one.trial for one in others]) for last, others in by_kind(
    ...     [Finding("plateau", f"trial {number}", 9, "flat", "more", {}) for number in (1, 2)])]
    [('trial 2', ['trial 1'])]
    """
    order = {finding.key: place for place, finding in enumerate(reversed(findings))}
    groups = groupby(sorted(findings, key=lambda one: -order[one.key]), key=lambda one: one.key)
    return [(group[-1], group[:-1]) for group in (list(part) for _, part in groups)]


def grouped(findings: Sequence[Finding]) -> list[str]:
    """Return a line for each kind of finding: its last one, and the other trainings that have it.

    >>> grouped([Finding("plateau", f"trial {number}", 9, "flat", "more", {}) for number in (1, 2)])
    ['trial 2, epoch 9: plateau: flat; more; also in trial 1']
    """
    lines = []
    for last, others in by_kind(findings):
        names = [one.trial for one in others]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        lines.append(f"{last}; also in {', '.join(names[:NAMED])}{more}" if names else str(last))
    return lines
