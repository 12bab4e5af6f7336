"""Thresholds: the version's own record, changed by a query, each value within its range."""

import json
from pathlib import Path
from typing import Any

import pytest

from automl.apps.serve.refusal import RequestError
from automl.apps.serve.thresholds import Thresholds, from_query, recorded
from automl.study.errors import RegistryError

OWN = Thresholds(conf=0.4, iou=0.5, max_det=20, agnostic_nms=True, classes=(1, 2))


def record(folder: Path, content: Any) -> Path:
    (folder / "evaluation.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_a_version_without_a_record_has_the_defaults(tmp_path: Path) -> None:
    assert recorded(tmp_path) == Thresholds()


def test_the_record_of_a_version_counts(tmp_path: Path) -> None:
    held = {"conf": 0.4, "iou": 0.5, "max_det": 20, "agnostic_nms": True, "classes": [1, 2], "imgsz": 128}
    assert recorded(record(tmp_path, held)) == OWN


def test_what_the_record_leaves_open_has_the_default(tmp_path: Path) -> None:
    assert recorded(record(tmp_path, {"conf": None, "iou": 0.5, "classes": None})) == Thresholds(iou=0.5)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", {"classes": 3}, {"classes": ["one"]}])
def test_a_record_that_cannot_be_read_is_told(tmp_path: Path, content: Any) -> None:
    with pytest.raises(RegistryError, match=r"evaluation\.json: must be the evaluation record of the version, but"):
        recorded(record(tmp_path, content))


def test_a_query_changes_what_it_names_only() -> None:
    assert from_query([], OWN) == OWN
    assert from_query([("iou", "0.9")], OWN) == Thresholds(0.4, 0.9, 20, agnostic_nms=True, classes=(1, 2))


@pytest.mark.parametrize(("key", "text"), [("conf", "0"), ("conf", "1"), ("confidence", "1e-3"), ("iou", "1")])
def test_a_share_is_0_to_1_with_both_ends(key: str, text: str) -> None:
    found = from_query([(key, text)], OWN)
    assert (found.iou if key == "iou" else found.conf) == float(text)


@pytest.mark.parametrize(
    ("query", "law"),
    [
        ([("conf", "1.0001")], "0 <= conf <= 1 must hold, but got '1.0001'"),
        ([("iou", "nan")], "0 <= iou <= 1 must hold, but got 'nan'"),
        ([("conf", "")], "0 <= conf <= 1 must hold, but got ''"),
        ([("max_det", "0")], "max_det must be a whole number, 1 to 3000, but got '0'"),
        ([("max_det", "3001")], "max_det must be a whole number, 1 to 3000"),
        ([("max_det", "٣")], "max_det must be a whole number, 1 to 3000"),
        ([("max_det", "9" * 5000)], "max_det must be a whole number, 1 to 3000"),
        ([("cnf", "0.5")], "the keys are conf, iou and max_det, but got 'cnf'"),
        ([("conf", "0.1"), ("confidence", "0.1")], "conf must be given once, but was given twice"),
    ],
)
def test_what_is_outside_is_refused(query: list[tuple[str, str]], law: str) -> None:
    with pytest.raises(RequestError, match=rf"^query: {law}") as caught:
        from_query(query, OWN)
    assert caught.value.code == 422
    assert len(caught.value.law) < 250
