"""Findings on what ships: written once, read with the others, made where there is no file; settings of the record."""

import json
from pathlib import Path

import pytest

from automl.storage.layout import EVALUATION, EXPORT, FINDINGS, ONNX_STATS
from automl.study.verdict import Verdict
from automl.tracking.diagnosis import findings_file, shipped_findings, shipped_model
from tests.builders import spec_of
from tests.tracking.diagnosis.scenes import NAMES
from tests.tracking.diagnosis.test_shipped_rules import low_confidence
from tests.tracking.report.test_page import FACTS

VERDICT = Verdict.from_dict(FACTS | {"names": NAMES})


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / EXPORT).mkdir()
    low_confidence().stats().save(tmp_path / EXPORT / ONNX_STATS)
    return tmp_path


def test_findings_are_read_with_those_of_the_trainings(study: Path) -> None:
    made = shipped_findings.missing(study, VERDICT)
    shipped_findings.write(study, VERDICT)
    assert shipped_findings.missing(study, VERDICT) == []
    found = findings_file.of_study(study, spec_of(), [])
    assert [one for one in found if one.trial] == made
    assert {one.trial for one in made} == {"trial0_seed1000001"}


def test_nothing_is_written_without_detections(tmp_path: Path) -> None:
    shipped_findings.write(tmp_path, VERDICT)
    assert [*tmp_path.iterdir()] == []
    (tmp_path / EXPORT).mkdir()
    (tmp_path / EXPORT / ONNX_STATS).write_bytes(b"damaged")
    shipped_findings.write(tmp_path, VERDICT)
    assert not (tmp_path / EXPORT / FINDINGS).exists()


@pytest.mark.parametrize(
    ("record", "threshold", "iou", "recorded"),
    [
        ({"threshold": 0.11, "conf": 0.001, "iou": 0.6}, 0.11, 0.6, True),
        ({"conf": 0.3, "iou": 0.5}, 0.3, 0.5, True),
        ({"conf": None, "iou": 0.7}, 0.25, 0.7, False),
        (["damaged"], 0.25, 0.7, False),
        (None, 0.25, 0.7, False),
    ],
)
def test_the_served_threshold_is_that_of_the_record(
    study: Path, record: object, threshold: float, iou: float, *, recorded: bool
) -> None:
    if record is not None:
        (study / EXPORT / EVALUATION).write_text(json.dumps(record))
    model = shipped_model.read(study, VERDICT)
    assert model is not None
    assert (model.threshold, model.iou, model.recorded) == (threshold, iou, recorded)
