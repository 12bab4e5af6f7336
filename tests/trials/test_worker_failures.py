"""Trials that cannot go on, in a real training: too little memory, a loss that is no number, another's turn."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from automl.storage import curves_file
from automl.study import EndReason, Job, Measurement, State
from automl.study.errors import TrialError
from automl.trainers import yolo
from automl.trainers.yolo import out_of_memory
from automl.trials import lease, worker
from tests.conftest import small_job_at as job_at

pytestmark = pytest.mark.yolo

HALVED = "out of memory: batch 8 did not fit and was halved to 4"


class Killed(BaseException):
    """What the loss of its worker looks like to a trial."""


class Loss:
    """Stands before the model's own loss; what it does to a batch of a training is set by each test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from ultralytics.nn.tasks import BaseModel  # noqa: PLC0415  (the doors must be shut before)

        original = BaseModel.loss
        self.most = 1000
        self.batches = 0
        self.poisoned: int | None = None

        def loss(model: Any, batch: dict[str, Any], preds: object = None) -> Any:
            if not model.training:
                return original(model, batch, preds)
            self.batches += 1
            if len(batch["img"]) > self.most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            total, items = original(model, batch, preds)
            if self.batches == self.poisoned:
                return total * math.nan, {**items, "cls_loss": items["cls_loss"] * math.nan}
            return total, items

        monkeypatch.setattr(BaseModel, "loss", loss)


@pytest.fixture
def loss(monkeypatch: pytest.MonkeyPatch) -> Loss:
    yolo.settings()  # shuts the doors
    return Loss(monkeypatch)


def nothing(_measurement: Measurement) -> None:
    """Hear nothing."""


def killed(_measurement: Measurement) -> None:
    raise Killed


def test_a_batch_that_fits_when_halved_trains_on_and_every_epoch_says_so(
    tmp_path: Path, data: Path, loss: Loss
) -> None:
    loss.most = 4
    heard: list[Measurement] = []

    ending = worker.run(job_at(tmp_path, data, epochs=2), heard.append)

    assert ending.state is State.COMPLETED, ending.cause
    assert ending.final is not None
    assert [m.changed for m in (*heard, ending.final)] == [HALVED] * 3
    assert curves_file.read_curves(tmp_path) == tuple(heard)


def test_a_training_that_goes_on_keeps_the_halved_batch_and_says_so(tmp_path: Path, data: Path, loss: Loss) -> None:
    loss.most = 4
    job = job_at(tmp_path, data, epochs=2, batch=8)
    with pytest.raises(Killed):
        worker.run(job, killed)
    loss.batches, heard = 0, list[Measurement]()

    ending = worker.run(job, heard.append)

    assert ending.state is State.COMPLETED, ending.cause
    assert loss.batches == 24 // 4
    assert [m.changed for m in heard] == [HALVED] * 2


def test_a_batch_that_does_not_fit_when_halved_is_a_failure(tmp_path: Path, data: Path, loss: Loss) -> None:
    loss.most = 3

    ending = worker.run(job_at(tmp_path, data), nothing)

    assert ending.cause == "out of memory: batch 8 did not fit, nor did 4"
    assert not (tmp_path / "last.pt").exists()


def test_on_a_shared_gpu_no_batch_is_halved_and_the_training_asks_for_another_try(
    tmp_path: Path, data: Path, loss: Loss, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss.most = 4
    monkeypatch.setattr(Job, "shares_gpu", property(lambda _job: True))  # the training itself is on the CPU

    ending = worker.run(job_at(tmp_path, data), nothing)

    assert ending.cause == "out of memory: batch 8 did not fit"
    assert (ending.again, ending.reason) == (True, EndReason.MEMORY)


def test_memory_that_runs_out_after_the_first_epoch_is_a_failure(tmp_path: Path, data: Path, loss: Loss) -> None:
    def report(_measurement: Measurement) -> None:
        loss.most = 7

    ending = worker.run(job_at(tmp_path, data), report)

    assert ending.cause.startswith("out of memory: batch 8 did not fit: CUDA out of memory. Tried to allocate")
    assert [m.epoch for m in curves_file.read_curves(tmp_path)] == [1]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
    ],
)
def test_every_kind_of_exhausted_memory_names_the_batch(error: Exception) -> None:
    with pytest.raises(TrialError, match=r"^out of memory: batch 16 did not fit: "), out_of_memory.named(lambda: 16):
        raise error


def test_another_error_stays_itself() -> None:
    with pytest.raises(RuntimeError, match="shape"), out_of_memory.named(lambda: 16):
        raise RuntimeError("shape mismatch")


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_loss_that_is_not_finite_fails_the_trial_with_epoch_and_component(
    tmp_path: Path, data: Path, loss: Loss, epoch: int
) -> None:
    loss.poisoned = 3 * epoch  # the last batch: those after it would be poisoned by it in every component

    ending = worker.run(job_at(tmp_path, data), nothing)

    assert ending.cause == f"loss is not finite at epoch {epoch}: train/cls_loss"
    curves = curves_file.read_curves(tmp_path)
    assert [m.epoch for m in curves] == [1][: epoch - 1]
    assert all(math.isfinite(value) for m in curves for value in m.metrics.values())


def test_weights_that_are_no_number_fail_the_trial_before_anything_is_kept(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yolo.settings()
    from ultralytics.engine.trainer import BaseTrainer  # noqa: PLC0415

    original = BaseTrainer.optimizer_step

    def poisoned(trainer: Any) -> None:
        original(trainer)
        if trainer.ema.updates == 3:  # the last batch of the first epoch: its loss is still a number
            for model in (trainer.model, trainer.ema.ema):
                next(model.parameters()).data.fill_(math.nan)

    monkeypatch.setattr(BaseTrainer, "optimizer_step", poisoned)

    ending = worker.run(job_at(tmp_path, data), nothing)

    assert ending.cause.startswith("not finite at epoch 1: val/"), ending.cause
    assert not (tmp_path / "curves.csv").exists()
    assert not (tmp_path / "last.pt").exists()


def given(folder: Path, attempt: int) -> None:
    while lease.acquire(folder) < attempt:
        pass


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_superseded_attempt_writes_nothing_and_is_no_ending(tmp_path: Path, data: Path) -> None:
    job = job_at(tmp_path, data)
    kept: dict[str, bytes] = {}

    def report(measurement: Measurement) -> None:
        if measurement.epoch == 1:
            given(tmp_path, 2)
            kept.update(contents(tmp_path))

    with pytest.raises(lease.Superseded, match="attempt 2 has superseded attempt 1"):
        worker.run(job, report)

    assert contents(tmp_path) == kept


def test_an_attempt_that_was_superseded_before_it_began_writes_nothing(tmp_path: Path, data: Path) -> None:
    job: Job = job_at(tmp_path, data)
    with pytest.raises(Killed):
        worker.run(job, killed)
    (tmp_path / "last.pt").write_bytes(b"damaged")
    given(tmp_path, 7)
    kept = contents(tmp_path)

    with pytest.raises(lease.Superseded, match=r"attempt 7"):
        worker.run(replace(job, attempt=6), nothing)

    assert contents(tmp_path) == kept


def test_the_attempt_that_was_given_out_writes(tmp_path: Path, data: Path) -> None:
    given(tmp_path, 4)

    ending = worker.run(replace(job_at(tmp_path, data, epochs=1), attempt=4), nothing)

    assert ending.state is State.COMPLETED, ending.cause
