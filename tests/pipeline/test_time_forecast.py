"""The hours that `automl check` tells: arithmetic on measured batches, and the measurement itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from automl.data import check, sample, staging
from automl.data.record import DataSet
from automl.pipeline import time_forecast
from automl.pipeline.time_forecast import Estimate, TimeForecast
from automl.study import Job
from automl.study.errors import TrialError
from automl.study.spec import StudySpec
from automl.study.yaml_io import read_yaml
from automl.trainers import Timing, yolo
from tests.builders import METRIC, spec_of
from tests.conftest import MICRO, job_at

TIMING = Timing(start=5.0, train_batch=0.5, val_batch=1.0, epoch=0.25, batch=8, val_images=16)
IMAGES = {"train": 33, "val": 20, "test": 17}
LADDER = {"min_epochs": 2, "max_epochs": 6, "validate_every": 3}
"""Four trials to epoch 2, two of them to epoch 6; validated are epochs 2, 3 and 6."""


def job_of(spec: StudySpec) -> Job:
    return Job(
        Path("x"), 0, {}, 0, spec.ladder.max_epochs, "m", "d", METRIC, {}, rungs=spec.ladder.rungs,
        validate_every=spec.ladder.validate_every,
    )  # fmt: skip


def estimate_of(*, places: int = 2, **changes: Any) -> Estimate:
    spec = spec_of(**{"ladder": LADDER, "confirm": {"seeds": 2}, **changes})
    return Estimate(spec, TIMING, IMAGES, places)


def test_an_epoch_is_its_batches_and_what_comes_besides() -> None:
    found = estimate_of()
    assert found.epoch == 5 * 0.5 + 0.25
    assert found.validation("val") == 2.0
    assert estimate_of(train={"fraction": 0.5}).epoch == 3 * 0.5 + 0.25


def test_a_search_is_what_its_trials_take_side_by_side_each_start_included() -> None:
    first, later = 2 * 2.75 + 2.0 + 5.0, 4 * 2.75 + 2 * 2.0 + 5.0 + 2.0
    for places in (1, 2):
        found = estimate_of(places=places)
        assert found.search(job_of(found.spec)) == (4 * first + 2 * later) / places
    crowd = estimate_of(places=100)
    assert crowd.search(job_of(crowd.spec)) == first + later  # no shorter than one whole trial


def test_a_trial_that_does_not_pause_starts_once() -> None:
    found = estimate_of(places=1, ladder=LADDER | {"scheduler": "stopping"})
    assert found.search(job_of(found.spec)) == 4 * 12.5 + 2 * 17.0


def test_a_confirmation_is_the_fewest_to_the_most_re_trainings_in_waves() -> None:
    whole = 5.0 + 6 * (2.75 + 2.0) + 2.0
    assert estimate_of(places=4, confirm={"retrainings": 12}).confirm() == (2 * whole, 2 * whole, 3 * whole)


def test_the_line_tells_the_parts_and_what_was_measured() -> None:
    found = estimate_of()
    assert TimeForecast.of(found, job_of(found.spec), copies=2).summary() == (
        "time: about 1m58s on this machine (search 47s, confirm 1m11s; export not included): 2 trials at a time, "
        "start 5 s, 0.5 s a training batch of 8, 1 s a validation batch of 16, measured on cpu, 2 at a time"
    )


def test_the_plan_is_the_least_the_expected_and_the_most_time() -> None:
    found = estimate_of(places=1, confirm={"retrainings": 8})
    forecast = TimeForecast.of(found, job_of(found.spec), copies=1)
    first, later, whole = 2 * 2.75 + 2.0 + 5.0, 4 * 2.75 + 2 * 2.0 + 5.0 + 2.0, 5.0 + 6 * (2.75 + 2.0) + 2.0
    assert forecast.least_seconds == 4 * first + later + 6 * whole
    assert forecast.most_seconds == 4 * first + 4 * later + 8 * whole
    assert forecast.plan().startswith("plan: at least 4m45s, expected 5m42s, at most ")


def test_the_plan_ends_with_the_hours_of_the_whole_study() -> None:
    found = estimate_of(places=1, budget={"trials": 50, "total_hours": 0.1})
    assert TimeForecast.of(found, job_of(found.spec), copies=1).most_seconds == 360


@pytest.mark.parametrize("limit", ["hours", "total_hours"])
def test_the_line_tells_where_the_time_ends_the_search_and_how_many_trials_fit(limit: str) -> None:
    found = estimate_of(budget={"trials": 4, limit: 0.01})
    told = TimeForecast.of(found, job_of(found.spec), copies=1).summary()
    assert "(search 36s, where its limit of time ends it with about 3 of 4 trials; all would take 47s, confirm" in told


def test_the_line_tells_whose_time_it_is_where_models_differ() -> None:
    space = {"model": {"choices": ["tiny.yaml", "small.yaml"], "default": "tiny.yaml"}}
    found = estimate_of(space=space)
    assert (
        TimeForecast.of(found, job_of(found.spec), copies=1)
        .summary()
        .endswith("with the default model; other values take other times")
    )


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    source = sample.draw(tmp_path / "mine", splits={"train": 40, "val": 20, "test": 8})
    return check.check(source, read_yaml(source), splits=("train", "val", "test"))


def raising(error: Exception) -> Callable[..., Timing]:
    def fail(*_arguments: object, **_more: object) -> Timing:
        raise error

    return fail


@pytest.mark.yolo
@pytest.mark.parametrize("error", [TrialError("out of memory:\nbatch 16"), OSError("no space left")])
def test_a_measurement_that_fails_is_one_line(data: DataSet, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(yolo, "measure", raising(error))
    told = time_forecast.forecast(spec_of(model=str(MICRO)), data).summary()
    assert (
        told == f"time: could not be measured on this machine: {type(error).__name__}: {' '.join(str(error).split())}"
    )


@pytest.mark.yolo
def test_more_gpus_than_this_machine_has_is_one_line(data: DataSet) -> None:
    told = time_forecast.forecast(spec_of(resources={"gpus": 99}), data).summary()
    assert told.startswith("time: could not be measured on this machine: StudyError: resources.gpus: must be at most")


@pytest.mark.yolo
def test_a_few_batches_are_timed_again_and_nothing_lands_beside_the_users_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six images are two batches of four; the first two batches of a measurement do not count."""
    found: list[Timing] = []

    def measured(job: Job, *, copies: int, original: Callable[..., Timing] = yolo.measure) -> Timing:
        found.append(original(job, copies=copies))
        return found[-1]

    monkeypatch.setattr(yolo, "measure", measured)
    source = sample.draw(tmp_path / "mine", splits={"train": 6, "val": 8, "test": 8})
    few = check.check(source, read_yaml(source), splits=("train", "val", "test"))
    before = sorted((tmp_path / "mine").rglob("*"))
    train = {"imgsz": 64, "batch": 4, "nbs": 4}
    told = time_forecast.forecast(spec_of(model=str(MICRO), train=train, resources={"concurrent": 1}), few).summary()
    assert told.startswith("time: about ")
    assert "s a training batch of 4, " in told
    assert "s a validation batch of 8, measured on " in told
    assert sorted((tmp_path / "mine").rglob("*")) == before
    assert (found[0].batch, found[0].val_images) == (4, 8)
    assert min(found[0].start, found[0].train_batch, found[0].val_batch, found[0].epoch) > 0


@pytest.mark.yolo
@pytest.mark.parametrize(
    ("seconds", "model", "said"),
    [(0.01, str(MICRO), "took over 0.01 s"), (60.0, "none.yaml", "none.yaml")],
    ids=["too long", "a training that fails"],
)
def test_what_keeps_a_measurement_from_ending_is_said(
    tmp_path: Path, data: DataSet, seconds: float, model: str, said: str
) -> None:
    job = job_at(tmp_path / "job", staging.stage(data, tmp_path / "staged"), model=model)
    with pytest.raises(TrialError, match=said):
        yolo.measure(job, seconds=seconds)
