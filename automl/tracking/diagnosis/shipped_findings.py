"""Findings on the model that ships: written beside its export at the end of a study, read with those of trainings."""

from pathlib import Path

from automl.storage.layout import EXPORT, FINDINGS
from automl.study.verdict import Verdict
from automl.tracking.diagnosis import findings_file, shipped_model, shipped_rules
from automl.tracking.diagnosis.finding import Finding


def write(folder: Path, verdict: Verdict) -> None:
    """Write what the rules find in the model that ships; nothing if none of its detections are kept."""
    model = shipped_model.read(folder, verdict)
    if model and (folder / EXPORT).is_dir():
        findings_file.write(folder / EXPORT, shipped_rules.findings(model))


def missing(folder: Path, verdict: Verdict) -> list[Finding]:
    """Return the findings of a study whose end was before there was a file of them; empty if there is one."""
    model = None if (folder / EXPORT / FINDINGS).is_file() else shipped_model.read(folder, verdict)
    return shipped_rules.findings(model) if model else []
