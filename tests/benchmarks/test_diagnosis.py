"""The benchmark of the diagnosis: cases, planted faults, and how rows are judged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl.data import sample
from automl.tracking.diagnosis import training_rules
from benchmarks import diagnosis, diagnosis_edits, diagnosis_plan
from benchmarks.diagnosis_edits import VICTIM, read_boxes


def row_of(fault: str, seed: int, **changes: Any) -> dict[str, Any]:
    """Return a row of a training of four epochs; without changes it has no finding."""
    plain: dict[str, Any] = {
        "fault": fault, "strength": "x", "seed": seed, "data": "sample", "start": "micro", "epochs": 4, "settings": {},
        "end": "", "changed": "", "instances": {"train": {"hole": 3}}, "curves": {"val/map50": [0.1, 0.2, None, 0.4]},
        "details": {},
    }  # fmt: skip
    return {**plain, **changes}


def test_every_fault_is_the_name_of_a_finding() -> None:
    faults = {fault.name for strengths in diagnosis_plan.FAULTS for fault in strengths}
    assert faults <= {*training_rules.NAMES}
    assert len(faults) >= 12


def test_each_case_comes_once_and_both_halves_have_all_strengths() -> None:
    cases = diagnosis_plan.cases(4)
    assert len({case.key for case in cases}) == len(cases)
    for half in (0, 1):
        found = {case.key[:2] for case in cases if case.seed % 2 == half}
        assert found == {case.key[:2] for case in cases}


def test_rows_are_judged_by_the_name_of_what_is_found() -> None:
    closed = {"settings": {"mosaic": 1.0, "close_mosaic": 10}}
    rows = [
        row_of("mosaic closed", 1, **closed), row_of("not finite", 1, end="loss is not finite at epoch 4"),
        row_of("plateau", 1), row_of("", 1), row_of("", 3, **closed),
    ]  # fmt: skip
    assert diagnosis.judged(rows, {}) == {
        "faults": 3, "planted": 3, "found": 2, "healthy": 2, "false_alarm_rate": 0.5,
    }  # fmt: skip
    assert diagnosis.of_half(rows, 0) == []


def test_a_row_that_was_not_written_whole_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"seed":1}\n{"seed":2')
    assert diagnosis.read(path) == [{"seed": 1}]
    assert diagnosis.read(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize("edit", ["unlabelled", "val unlabelled", "boxes moved", "two sizes", "labels of others"])
def test_a_planted_fault_changes_labels_and_leaves_them_valid(tmp_path: Path, edit: str) -> None:
    root = sample.draw(tmp_path, splits={"train": 8, "val": 8}).parent
    before = labels_of(root)
    diagnosis_edits.apply((edit, 0.9), root, np.random.default_rng(0))
    after = labels_of(root)
    assert after != before
    boxes = np.concatenate([read_boxes(path) for path in sorted(root.glob("labels/*/*.txt"))])
    assert boxes[:, 1:].min() >= 0
    assert (boxes[:, 1:3] + boxes[:, 3:] / 2).max() <= 1.001
    if edit == "unlabelled":
        counts = [sum(text.count(f"{VICTIM} 0") for name, text in side.items() if "train" in name)
                  for side in (before, after)]  # fmt: skip
        assert counts[1] < counts[0]


def labels_of(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.glob("labels/*/*.txt"))}
