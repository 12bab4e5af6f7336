"""The Python API on studies that are on disk: records, verdict, status, report; what is refused."""

import shutil
from pathlib import Path

import pytest

import automl
from tests.past_studies import past

FROZEN = Path(__file__).parents[1] / "frozen"


@pytest.fixture
def study(tmp_path: Path) -> automl.Study:
    return automl.open_study(past(tmp_path))


def test_trials_are_flat_records_with_the_same_keys(study: automl.Study) -> None:
    trials = study.trials
    assert len(trials) == 10
    assert {tuple(trial) for trial in trials} == {
        (
            "number", "state", "epoch", "value", "seconds", "reason", "retries", "origin", "seed", "node", "folder",
            "params_lr0", "params_optimizer",
        )
    }  # fmt: skip
    found = trials[7]
    assert (found["number"], found["state"], found["epoch"], found["value"]) == (7, "COMPLETED", 6, 0.7)
    assert (found["params_lr0"], found["seconds"], found["reason"]) == (0.03, 12.0, "reached the last epoch")
    assert (trials[1]["state"], trials[1]["reason"]) == ("PRUNED", "rank 3 of 3, 1 advance")


def test_the_best_trial_is_one_of_the_records(study: automl.Study) -> None:
    assert study.best_trial == study.trials[7]


def test_a_study_without_an_ended_trial_has_no_best_one(tmp_path: Path) -> None:
    study = automl.open_study(past(tmp_path, trials=[]))
    assert (study.trials, study.best_trial, study.verdict) == ([], None, None)


def test_the_status_is_a_record_and_its_text_is_that_of_the_terminal(study: automl.Study) -> None:
    found = study.status()
    assert isinstance(found, automl.StudyStatus)
    assert (found.name, found.finished, found.running, found.ended, found.budget) == ("a", False, False, 10, 4)
    assert (found.best_value, found.verdict, found.trials) == (0.7, None, tuple(study.trials))
    assert f"no driver is running: resume with automl resume {study.folder}" in str(found).splitlines()


def test_a_paused_trial_is_told_from_one_that_waits_for_a_worker(tmp_path: Path) -> None:
    frozen = next(FROZEN.iterdir())
    study = automl.open_study(shutil.copytree(frozen, tmp_path / "runs" / "small"))
    assert [trial["state"] for trial in study.trials] == ["PAUSED", "PAUSED", "WAITING"]
    assert study.status().paused == 2


def test_the_report_is_written_into_the_study(study: automl.Study) -> None:
    assert study.report() == study.folder / "report.html"
    assert '<html lang="en">' in (study.folder / "report.html").read_text(encoding="utf-8")


def test_the_report_is_written_in_chinese_where_asked_and_no_other_language(study: automl.Study) -> None:
    assert study.report(lang="zh") == study.folder / "report.html"
    assert '<html lang="zh-CN">' in (study.folder / "report.html").read_text(encoding="utf-8")
    with pytest.raises(automl.AutomlError, match="lang: must be en or zh, but got fr"):
        study.report(lang="fr")


def test_a_study_names_the_expression_that_opens_it(study: automl.Study) -> None:
    assert repr(study) == f"automl.open_study({str(study.folder)!r})"


def test_a_folder_that_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(automl.StudyError, match="must be a study's folder, but has no study"):
        automl.open_study(tmp_path)


def test_a_study_out_of_its_place_is_not_resumed(study: automl.Study) -> None:
    moved = automl.open_study(study.folder.rename(study.folder.with_name("b")))
    with pytest.raises(automl.StudyError, match="must be named runs/a, the name of its study; rename it"):
        moved.resume()


def test_a_password_in_an_argument_is_refused(tmp_path: Path) -> None:
    with pytest.raises(automl.SpecError, match="data: must not contain a URL with a password"):
        automl.search(tmp_path / "spec.yaml", data="s3://me:secret@host/data.yaml", storage=tmp_path)


def test_findings_are_records(study: automl.Study) -> None:
    found = study.findings()
    assert found == list(study.status().findings)
    assert all(finding.advice for finding in found)
    assert "budget too short for the ladder" not in {finding.name for finding in found}
