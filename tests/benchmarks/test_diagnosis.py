"""The benchmark of the diagnosis: cases, planted faults, and how rows are judged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl.data import sample
from automl.tracking.diagnosis import training_rules
from benchmarks import diagnosis, diagnosis_edits, diagnosis_plan, diagnosis_rows, diagnosis_tables
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
        row_of("mosaic closed", 9, **closed), row_of("not finite", 9, end="loss is not finite at epoch 4"),
        row_of("plateau", 9), row_of("", 9), row_of("", 11, **closed),
    ]  # fmt: skip
    assert diagnosis.judged(rows, {}) == {
        "faults": 3, "planted": 3, "found": 2, "healthy": 2, "false_alarm_rate": 0.5,
    }  # fmt: skip
    assert diagnosis_rows.of_half(rows, 0) == []
    assert diagnosis_rows.of_half([row_of("", 7), row_of("", 10)], 1) == []
    assert "| **all** |  | 2/3 | 9% to 99% |" in diagnosis.tables_of(rows, {})


def test_a_training_far_below_the_best_on_its_data_is_not_healthy() -> None:
    good, fair, poor, other = (
        row_of("", 0, curves={"val/map50_95": [value, None]}, data=data)
        for value, data in ((0.5, "bolts"), (0.4, "bolts"), (0.3, "micro-bolts"), (0.3, "bccd"))
    )
    planted, empty = row_of("plateau", 0), row_of("", 0, data="other")
    rows = [good, fair, poor, other, planted, empty]
    assert diagnosis_rows.judged_rows(rows) == [good, fair, other, planted]


def test_replayed_trainings_have_each_configuration_in_both_halves() -> None:
    found = diagnosis_rows.replayed(diagnosis.CURVES)
    assert len(found) >= 100
    for half in (0, 1):
        assert {row["strength"] for row in diagnosis_rows.of_half(found, half)} == {row["strength"] for row in found}
        assert {row["data"] for row in diagnosis_rows.of_half(found, half)} == {row["data"] for row in found}


def test_a_table_has_a_line_by_name_and_the_sum() -> None:
    halves = [{"a": (1, 1)}, {"a": (1, 2), "b": (3, 3)}]
    assert diagnosis_tables.table("fault", "found", halves).splitlines()[2:] == [
        "| a | 1/1 | 1/2 | 1% to 99% |", "| b |  | 3/3 | 29% to 100% |", "| **all** | 1/1 | 4/5 | 28% to 99% |",
    ]  # fmt: skip


def test_a_row_that_was_not_written_whole_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"seed":1}\n{"seed":2')
    assert diagnosis_rows.read(path) == [{"seed": 1}]
    assert diagnosis_rows.read(tmp_path / "none.jsonl") == []


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
