"""What a study will hold on disk, told beforehand: never less than it comes to hold, and not many times as much."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from automl.pipeline import disk_forecast
from automl.pipeline.disk_forecast import Footprint, expected
from automl.study import Measurement
from automl.study.errors import StudyError, TrialError
from automl.study.spec import StudySpec
from automl.trainers import yolo
from automl.trials import worker
from tests.builders import spec_of
from tests.conftest import MICRO, job_at
from tests.simulated_checkpoints import held

SPEC = {"model": str(MICRO), "ladder": {"min_epochs": 2, "max_epochs": 12}}
ONE = Footprint(parameters=1_000_000, epochs=12)


def study_of(*, trials: int = 100, scheduler: str = "promotion", **changes: Any) -> StudySpec:
    ladder = {"min_epochs": 2, "max_epochs": 12, "scheduler": scheduler}
    return spec_of(**{**SPEC, "budget": {"trials": trials}, "ladder": ladder, **changes})


def told(spec: StudySpec, storage: Path) -> str:
    return "\n".join(disk_forecast.forecast(spec, storage).lines())


@pytest.mark.yolo
def test_a_trial_holds_at_most_what_is_forecast_and_at_least_a_quarter_of_it(tmp_path: Path, data: Path) -> None:
    sizes: list[int] = []
    job = job_at(tmp_path, data, optimizer="AdamW")

    def report(_measurement: Measurement) -> None:
        sizes.append(held(tmp_path))

    ending = worker.run(job, report)

    forecast = Footprint(yolo.parameters(job.model), job.epochs)
    assert ending.final, ending.cause
    assert forecast.paused / 4 <= max(sizes) <= forecast.paused
    assert held(tmp_path) <= forecast.kept


def test_paused_trials_hold_their_weights_until_the_end_and_stopped_ones_do_not() -> None:
    pausing, stopping = expected(study_of(), ONE), expected(study_of(scheduler="stopping"), ONE)
    assert (pausing.alive, stopping.alive) == (100, 1)
    assert pausing.running > 99 * ONE.paused > 4 * stopping.running
    assert pausing.kept == stopping.kept


def test_a_study_without_rungs_pauses_none() -> None:
    assert expected(study_of(ladder={"min_epochs": 12, "max_epochs": 12}), ONE).alive == 1


def test_the_places_that_a_description_names_are_counted() -> None:
    spec = study_of(scheduler="stopping", resources={"concurrent": 4})
    assert expected(spec, ONE).alive == 4
    assert expected(study_of(trials=2, scheduler="stopping", resources={"concurrent": 4}), ONE).alive == 2


def test_what_is_kept_grows_with_the_trials_that_keep_their_weights() -> None:
    one, five, all_kept = (expected(study_of(retention={"keep": keep}), ONE).kept for keep in (1, 5, 1000))
    assert five - one == 4 * ONE.kept
    assert all_kept - one == 99 * ONE.kept


@pytest.mark.yolo
def test_the_largest_of_the_models_counts(tmp_path: Path) -> None:
    models = {"choices": [str(MICRO), "yolo11n.yaml"], "default": str(MICRO)}
    several = study_of(space={"model": models}, retention={"quota_gb": 100.0})
    assert told(several, tmp_path) == told(study_of(model="yolo11n.yaml", retention={"quota_gb": 100.0}), tmp_path)

    needs = disk_forecast.needs(several, str)

    assert needs.keys() == {str(MICRO), "yolo11n.yaml"}
    assert needs["yolo11n.yaml"] > 10 * needs[str(MICRO)]


@pytest.mark.yolo
def test_a_storage_with_less_room_than_the_study_may_hold_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10**9, 9 * 10**8, 10**8))

    tight = told(study_of(), tmp_path / "not" / "there")
    fits = told(study_of(retention={"quota_gb": 0.05}), tmp_path)

    assert "100 MB free, but the study may use 607 MB" in tight
    assert "free disk space, or set retention.quota_gb" in tight
    assert "warning" not in fits
    assert "disk: at most 50 MB while it runs (100 unended trials x 7.4 MB; paused trials keep their state), " in fits
    assert "retention.quota_gb 0.05 is less than that: the worst paused trials may be ended" in fits


@pytest.mark.yolo
def test_a_quota_too_small_for_one_trial_is_a_mistake(tmp_path: Path) -> None:
    law = r"retention.quota_gb: must be enough for one running trial and the best one, about 0.0109 GB, but got 0.01"
    with pytest.raises(StudyError, match=law):
        told(study_of(retention={"quota_gb": 0.01}), tmp_path)


@pytest.mark.yolo
def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"nothing")
    with pytest.raises(TrialError, match=r"bad.pt cannot be read"):
        yolo.parameters(str(tmp_path / "bad.pt"))


def test_without_a_quota_no_model_is_opened() -> None:
    spec = study_of(model="not there")
    assert disk_forecast.needs(spec, str) == {}
