"""The attacks on journals, in short: every fixed case and some random ones are held."""

import random
from pathlib import Path

import pytest

from automl.storage.layout import JOURNAL
from automl.study import Measurement
from benchmarks.attacks import journals
from benchmarks.attacks.journals import METRIC, TRIALS, cases, run, targets_in, trials_in


@pytest.mark.slow
def test_all_fixed_cases_and_some_random_ones_are_held(tmp_path: Path) -> None:
    assert run(tmp_path, tried=400, seed=1) == {"tried": 400, "held": 400}


def test_a_few_cases_of_each_kind_are_held(tmp_path: Path) -> None:
    assert run(tmp_path, tried=40, seed=2) == {"tried": 40, "held": 40}


def test_a_wrong_value_that_is_read_silently_is_not_held(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = targets_in(tmp_path / "whole")[1]
    target.right = (Measurement(1, {METRIC: 0.9}, 1.0),)
    (tmp_path / "case").mkdir()
    assert not journals.is_held(target, tmp_path / "case", target.whole, "nothing")
    assert "not held: curves.csv: nothing" in capsys.readouterr().err


def test_a_traceback_is_not_held(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = targets_in(tmp_path / "whole")[1]
    target.read = lambda _folder: 1 // 0
    (tmp_path / "case").mkdir()
    assert not journals.is_held(target, tmp_path / "case", target.whole, "nothing")
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_the_attacked_journal_has_all_trials_and_every_case_differs_from_it(tmp_path: Path) -> None:
    targets = targets_in(tmp_path / "whole")
    assert len(trials_in(tmp_path / "whole")) == TRIALS
    chance = random.Random(0)
    assert all(content != target.whole for target, _, content in cases(targets, chance) if target.name == JOURNAL)
