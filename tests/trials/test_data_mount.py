"""A data mount that goes away is waited for and held against no params."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from automl.data import check, sample, staging
from automl.storage import outage
from automl.study import EndReason, Job, State
from automl.study.errors import DataAwayError, DataError
from automl.study.yaml_io import read_yaml
from automl.trials import data_mount, worker
from tests import tiny_trainer
from tests.conftest import tiny_job_at
from tests.storage.test_outage import Time


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """The folder of the user's data set."""
    sample.draw(tmp_path / "mount", splits={"train": 4, "val": 2, "test": 2})
    return tmp_path / "mount"


@pytest.fixture
def job(tmp_path: Path, mount: Path) -> Job:
    source = mount / "data.yaml"
    found = check.check(source, read_yaml(source), splits=("train", "val", "test"))
    return tiny_job_at(tmp_path / "trial", staging.stage(found, tmp_path / "staged"))


def away(mount: Path) -> None:
    mount.rename(mount.with_name("away"))


def back(mount: Path) -> None:
    mount.with_name("away").rename(mount)


def test_a_mount_that_comes_back_is_waited_for_and_said_once_a_minute(job: Job, mount: Path) -> None:
    clock = Time()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.now > 200 and not mount.exists():
            back(mount)

    away(mount)
    with outage.retries_enabled(clock.settings()):
        data_mount.wait_for(job, data_mount.Wait(lambda: clock.now, sleep))
    times, said = zip(*clock.said, strict=True)
    assert "8 staged images lead nowhere, such as " in said[0]
    assert "leads to all its images again, after 3m" in said[-1]
    assert len(said) == 5
    assert times[0] == 0


def test_an_evaluation_whose_images_are_away_is_done_again_when_they_are_back(job: Job, mount: Path) -> None:
    clock, began = Time(), list[float]()

    def measure() -> int:
        began.append(clock.now)
        with data_mount.Needed(job):
            if len(began) == 1:
                away(mount)
                raise ValueError("no image can be read")
            return 7

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.now > 100 and not mount.exists():
            back(mount)

    wait = data_mount.Wait(lambda: clock.now, sleep)
    with outage.retries_enabled(clock.settings()):
        assert data_mount.retried(measure, job.data, who="the evaluation", wait=wait) == 7
    said = [text for _, text in clock.said]
    assert "8 staged images lead nowhere, such as " in said[0]
    assert said[0].endswith("; the evaluation waits until the data set is back")
    assert "leads to all its images again, after 1m" in said[-1]
    assert len(said) == 3


def test_a_result_of_images_that_went_away_meanwhile_is_none(job: Job, mount: Path) -> None:
    cache = Path(job.data).parent / "labels/test.cache"

    def measure() -> None:
        with data_mount.Needed(job):
            cache.write_bytes(b"without images")
            away(mount)

    with pytest.raises(DataAwayError, match="8 staged images lead nowhere"):
        measure()
    assert not cache.exists()
    back(mount)
    with pytest.raises(ValueError, match="of the model"), data_mount.Needed(job):
        raise ValueError("of the model")


@pytest.mark.slow
def test_an_evaluation_whose_images_stay_away_is_a_data_error_after_a_day(job: Job, mount: Path) -> None:
    clock = Time()
    away(mount)

    def measure() -> None:
        with data_mount.Needed(job):
            pytest.fail("images are away")

    wait = data_mount.Wait(lambda: clock.now, clock.sleep)
    with (
        outage.retries_enabled(clock.settings()),
        pytest.raises(DataError, match=r"must lead to images, but 8 staged images lead nowhere, .*, after 24h"),
    ):
        data_mount.retried(measure, job.data, who="the evaluation", wait=wait)


@pytest.mark.slow
def test_a_mount_that_stays_away_is_a_data_error_after_a_day(job: Job, mount: Path) -> None:
    clock = Time()
    away(mount)
    with (
        outage.retries_enabled(clock.settings()),
        pytest.raises(DataError, match=r"must lead to images, but 8 staged images lead nowhere, .*, after 24h"),
    ):
        data_mount.wait_for(job, data_mount.Wait(lambda: clock.now, clock.sleep))


def test_a_part_of_the_images_away_is_waited_for_too(job: Job, mount: Path) -> None:
    (mount / "images/val/0001.jpg").unlink()
    with pytest.raises(DataError, match="1 staged images lead nowhere"):
        data_mount.wait_for(job)


@pytest.mark.slow
def test_a_trial_whose_mount_goes_away_in_an_epoch_resumes_and_completes(
    job: Job, mount: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Path | None] = []

    def train(job: Job, scratch: Path, *, state: Path | None, on_epoch: Any) -> dict[str, float]:
        tried.append(state)

        def once(*given: Any) -> None:
            on_epoch(*given)
            if len(tried) == 1:
                away(mount)
                raise FileNotFoundError("Image Not Found")

        return tiny_trainer.train(job, scratch, state=state, on_epoch=once)

    _with(monkeypatch, train)
    heard: list[int] = []
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if not mount.exists():
            back(mount)

    with outage.retries_enabled(outage.RetrySettings(say)):
        ending = worker.run(job, lambda measurement: heard.append(measurement.epoch))
    assert ending.state is State.COMPLETED, ending.cause
    assert tried[0] is None
    assert tried[1] is not None
    assert heard[-1] == job.epochs
    assert "the trial waits until the data set is back" in said[0]


def test_images_that_stay_unreadable_are_a_data_problem_and_no_crash(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def train(*_given: Any, **_more: Any) -> dict[str, float]:
        tried.append(1)
        raise DataError("train: Ultralytics left out 1: a.jpg")

    _with(monkeypatch, train)
    cache = Path(job.data).parent / "labels/train.cache"
    cache.write_bytes(b"without images")
    ending = worker.run(job, lambda _measurement: None)
    assert (ending.state, ending.reason, ending.again) == (State.FAILED, EndReason.DATA, False)
    assert len(tried) == 2
    assert not cache.exists()


def test_without_patience_a_mount_that_is_away_is_a_data_problem_at_once(job: Job, mount: Path) -> None:
    away(mount)
    assert worker.run(job, lambda _measurement: None).reason is EndReason.DATA


def _with(monkeypatch: pytest.MonkeyPatch, train: Any) -> None:
    trainer = SimpleNamespace(**{**vars(tiny_trainer), "train": train})
    monkeypatch.setattr(worker, "trainer_of", lambda _job: trainer)
