"""One trial, trained for real: what it leaves, how it goes on, how it fails."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from automl.storage import curves_file
from automl.storage.detections import ImageStats, metrics
from automl.study import Ending, Job, Measurement, Report, State
from automl.trainers import yolo
from automl.trials import checkpoints, worker
from tests.builders import METRIC, curve
from tests.conftest import small_job_at as job_at

pytestmark = pytest.mark.yolo


class Stopped(BaseException):
    """What a scheduler's stop looks like to a trial."""


def stop_at(epoch: int, heard: list[Measurement]) -> Report:
    def report(measurement: Measurement) -> None:
        heard.append(measurement)
        if measurement.epoch == epoch:
            raise Stopped

    return report


def test_a_trial_that_reaches_its_last_epoch_is_completed_with_stripped_weights(trained: tuple[Job, Ending]) -> None:
    job, ending = trained

    assert ending.state is State.COMPLETED, ending.cause
    assert ending.final is not None
    assert {"val/map50", "val/map50_95", "val/precision", "val/recall"} <= set(ending.final.metrics)
    assert [m.epoch for m in curves_file.read_curves(job.folder)] == [1, 2, 3]
    assert yolo.epochs_done(job.folder / "last.pt") == yolo.epochs_done(job.folder / "best.pt") == 0


def test_every_epoch_has_the_same_tags(trained: tuple[Job, Ending]) -> None:
    tags = [set(m.metrics) for m in curves_file.read_curves(trained[0].folder)]

    assert tags[0] == tags[1] == tags[2]
    assert {
        "train/box_loss",
        "train/cls_loss",
        "train/dfl_loss",
        "val/box_loss",
        "val/loss",
        "lr/weights",
        "lr/bias",
    } <= tags[0]


def test_a_stopped_trial_goes_on_from_its_last_checkpoint(tmp_path: Path, data: Path) -> None:
    job, first, second = job_at(tmp_path, data), list[Measurement](), list[Measurement]()
    with pytest.raises(Stopped):
        worker.run(job, stop_at(2, first))

    ending = worker.run(job, second.append)

    assert ending.state is State.COMPLETED, ending.cause
    assert [m.epoch for m in second] == [1, 2, 3]
    assert second[:2] == first
    log_of_epochs = curves_file.read_curves(tmp_path)
    assert [m.epoch for m in log_of_epochs] == [1, 2, 3]


def test_an_epoch_without_its_checkpoint_is_trained_again_and_reported_once(tmp_path: Path, data: Path) -> None:
    job = job_at(tmp_path, data)
    with pytest.raises(Stopped):
        worker.run(job, stop_at(1, []))
    kept = (tmp_path / "last.pt").read_bytes()
    with pytest.raises(Stopped):
        worker.run(job, stop_at(2, []))
    (tmp_path / "last.pt").write_bytes(kept)  # as if killed between the curves and the checkpoint of epoch 2

    heard: list[Measurement] = []
    worker.run(job, heard.append)

    assert [m.epoch for m in heard] == [1, 2, 3]


def test_a_trial_killed_in_its_final_evaluation_only_evaluates_again(
    trained: tuple[Job, Ending], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(trained[0].folder, folder)
    monkeypatch.setattr(yolo, "train", lambda *_args, **_kwargs: pytest.fail("must not train again"))

    ending = worker.run(replace(trained[0], folder=folder), lambda _measurement: None)

    assert ending.state is State.COMPLETED, ending.cause


def test_the_judged_split_is_opened_after_the_last_epoch_and_chooses_nothing(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = yolo.judge

    def watched(weights: Path, job: Job, *, split: str) -> tuple[dict[str, float], ImageStats]:
        opened.append(split)
        return real(weights, job, split=split)

    monkeypatch.setattr(yolo, "judge", watched)
    job = replace(job_at(tmp_path, data, epochs=2), split="test")
    assert "split" not in yolo.overrides(job, tmp_path)

    ending = worker.run(job, lambda _measurement: None)

    assert opened == ["test"]
    assert ending.final is not None
    assert {"test/map50_95", "test/recall"} <= set(ending.final.metrics)
    assert any(tag.startswith("class/") for tag in ending.final.metrics)
    found = ImageStats.load(tmp_path / "judged.npz")
    assert found.images == 12
    assert metrics(found)["map50_95"] == pytest.approx(ending.final.metrics["test/map50_95"], abs=1e-9)


def test_an_image_size_that_is_not_given_is_the_usual_one(tmp_path: Path, data: Path) -> None:
    job = replace(job_at(tmp_path, data), settings={})

    assert (yolo.overrides(job, tmp_path)["imgsz"], yolo.overrides(job, tmp_path)["batch"]) == (640, 16)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"model": "nothing.yaml"}, "nothing.yaml"),
        ({"data": "nothing.yaml"}, "nothing.yaml"),
        ({"params": {"optimizer": "SGD", "lr0": float("inf")}}, "lr0|not finite|invalid"),
    ],
)
def test_a_failure_becomes_an_ending_with_its_cause(
    tmp_path: Path, data: Path, change: dict[str, object], cause: str
) -> None:
    job = replace(job_at(tmp_path, data), **change)  # type: ignore[arg-type]

    ending = worker.run(job, lambda _measurement: None)

    assert ending.state is State.FAILED
    assert any(word in ending.cause for word in cause.split("|")), ending.cause


def test_best_weights_follow_the_studys_own_metric(tmp_path: Path, data: Path) -> None:
    job = replace(job_at(tmp_path, data), metric="lr/weights")  # falls from the first epoch on
    kept: list[bytes] = []

    def report(_measurement: Measurement) -> None:
        kept.append((tmp_path / "best.pt").read_bytes())
        if len(kept) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        worker.run(job, report)

    rates = [m.metrics["lr/weights"] for m in curves_file.read_curves(tmp_path)]
    assert (kept[0] == kept[1]) == (rates[0] >= rates[1])


def test_curves_come_back_as_they_were_written(tmp_path: Path) -> None:
    curves = curve([0.1, 0.25, 0.125])

    curves_file.write_curves(tmp_path, curves)

    assert curves_file.read_curves(tmp_path) == curves
    assert checkpoints.best_epoch(curves, METRIC) == 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA GPU")
def test_on_a_gpu_a_trial_trains_there_with_mixed_precision_and_without_a_download(tmp_path: Path, data: Path) -> None:
    torch.cuda.reset_peak_memory_stats()

    ending = worker.run(replace(job_at(tmp_path, data), gpus=1.0, threads=2), lambda _measurement: None)

    assert ending.state is State.COMPLETED, ending.cause
    assert torch.cuda.max_memory_allocated() > 10_000_000
