"""Short forms of the attacks on data sets and on studies that have begun."""

from pathlib import Path

import pytest

from automl.trainers import trainer_of
from benchmarks.attacks import datasets, midstudy

pytestmark = [pytest.mark.yolo, pytest.mark.timeout(600)]


def test_some_kinds_of_data_sets_are_held(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer_of().settings()
    found = datasets.run(tmp_path, tried=12, seed=3)
    assert found == {"tried": 12, "held": 12}, capsys.readouterr().out


def test_some_changes_between_two_sessions_are_held(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer_of().settings()
    found = midstudy.run(tmp_path, tried=8, seed=3)
    assert found == {"tried": 8, "held": 8}, capsys.readouterr().out
