"""Checkpoints that a crash or a disk has damaged: the one before is used, and what was dropped is said."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from automl.storage import curves_file
from automl.storage.epoch_details import EpochDetails
from automl.study import Job, Measurement, State
from automl.study.errors import TrialError
from automl.trainers import OnEpoch, yolo
from automl.trials import checkpoints, worker
from tests.conftest import MICRO
from tests.conftest import small_job_at as job_at

pytestmark = pytest.mark.yolo

Damage = Callable[[Path], None]


class Killed(BaseException):
    """What the loss of its worker looks like to a trial."""


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def of_another_format(path: Path) -> None:
    torch.save({**torch.load(path, weights_only=True), "format": 99}, path)


def without_a_part(path: Path) -> None:
    state = torch.load(path, weights_only=True)
    torch.save({key: value for key, value in state.items() if key != "random"}, path)


def of_the_vendor(path: Path) -> None:
    torch.save({"model": None, "epoch": 1, "optimizer": {}}, path)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Job:
    """A job of three epochs that was killed after the second."""
    job = job_at(tmp_path_factory.mktemp("stopped"), data)
    with pytest.raises(Killed):
        worker.run(job, killed_after(2))
    return job


def killed_after(epoch: int) -> Callable[[Measurement], None]:
    def report(measurement: Measurement) -> None:
        if measurement.epoch == epoch:
            raise Killed

    return report


def copy_of(job: Job, folder: Path) -> Job:
    shutil.copytree(job.folder, folder)
    return replace(job, folder=folder)


def begun_at(job: Job, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Run a job up to where its training would begin; return the epochs behind it, none if it does not train."""
    begun: list[int] = []

    def train(_job: Job, _place: Path, *, state: Path | None, on_epoch: OnEpoch) -> dict[str, float]:  # noqa: ARG001
        begun.append(yolo.epochs_done(state) if state else 0)
        raise Killed

    monkeypatch.setattr(yolo, "train", train)
    with pytest.raises(Killed):
        worker.run(job, lambda _measurement: None)
    return begun


@pytest.mark.parametrize("damage", [truncated, flipped, emptied, of_another_format, without_a_part, of_the_vendor])
def test_a_damaged_checkpoint_gives_way_to_the_one_before_and_is_kept_aside(
    tmp_path: Path, stopped: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], damage: Damage
) -> None:
    job = copy_of(stopped, tmp_path / "t")
    damage(job.folder / "last.pt")
    damaged = (job.folder / "last.pt").read_bytes()

    assert begun_at(job, monkeypatch) == [1]

    dropped, goes_on = [line for line in capsys.readouterr().out.splitlines() if line.startswith("checkpoint:")]
    assert dropped.startswith(f"checkpoint: {job.folder / 'last.pt'}: ")
    assert dropped.endswith("it is renamed to damaged-last.pt")
    assert goes_on == "checkpoint: resumes after epoch 1, from previous.pt"
    assert (job.folder / "damaged-last.pt").read_bytes() == damaged
    assert not (job.folder / "last.pt").exists()


def test_a_trial_without_a_sound_checkpoint_starts_over(
    tmp_path: Path, stopped: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = copy_of(stopped, tmp_path / "t")
    for name in ("last.pt", "previous.pt"):
        truncated(job.folder / name)

    assert begun_at(job, monkeypatch) == [0]
    assert {"damaged-last.pt", "damaged-previous.pt"} <= {path.name for path in job.folder.iterdir()}


def test_no_flipped_bit_passes_for_a_sound_checkpoint(tmp_path: Path, stopped: Job) -> None:
    whole, path = (stopped.folder / "last.pt").read_bytes(), tmp_path / "last.pt"
    state = yolo.state_file.load(stopped.folder / "last.pt")
    for place in range(0, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            found = yolo.state_file.load(path)
        except TrialError:
            continue
        assert all(torch.equal(found["model"][name], state["model"][name]) for name in state["model"]), place


def test_a_trial_that_lost_its_last_epoch_trains_it_again_and_the_curve_is_the_same(
    tmp_path: Path, stopped: Job
) -> None:
    whole, damaged = copy_of(stopped, tmp_path / "whole"), copy_of(stopped, tmp_path / "damaged")
    truncated(damaged.folder / "last.pt")
    heard: list[Measurement] = []
    worker.run(whole, lambda _measurement: None)

    ending = worker.run(damaged, heard.append)

    assert ending.state is State.COMPLETED, ending.cause
    assert [m.epoch for m in heard] == [1, 2, 3]
    one, two = (curves_file.read_curves(job.folder) for job in (whole, damaged))
    assert [m.metrics for m in one] == [m.metrics for m in two]


@pytest.mark.parametrize("kept", ["copy", "rename last", "rename next"])
def test_a_kill_while_a_checkpoint_is_kept_leaves_a_whole_one(
    tmp_path: Path, stopped: Job, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    job = copy_of(stopped, tmp_path / "t")
    folder, done = checkpoints.Folder(job), {"copy": 2, "rename last": 2, "rename next": 2}
    steps = iter(done)

    def step() -> bool:
        if next(steps) == kept:
            raise Killed
        return False

    copy, rename = checkpoints.Folder.copy, checkpoints.Folder.rename
    monkeypatch.setattr(checkpoints.Folder, "copy", lambda *given: step() or copy(*given))
    monkeypatch.setattr(checkpoints.Folder, "rename", lambda *given: step() or rename(*given))

    with pytest.raises(Killed):
        folder.save_state(job.folder / "last.pt")

    assert checkpoints.newest(folder, most=2)[1] == done[kept]


def test_damaged_best_weights_give_way_to_those_of_the_checkpoint(
    tmp_path: Path, stopped: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    job = copy_of(replace(stopped, metric="lr/falls"), tmp_path / "t")
    curves = [replace(m, metrics={**m.metrics, "lr/falls": 1.0 / m.epoch}) for m in curves_file.read_curves(job.folder)]
    truncated(job.folder / "best.pt")
    yolo.write_weights(job.folder / "last.pt", tmp_path / "last.pt")

    assert checkpoints.repair_best(checkpoints.Folder(job), curves, unpack=lambda: tmp_path / "last.pt") == 2

    assert (job.folder / "best.pt").read_bytes() == (tmp_path / "last.pt").read_bytes()
    assert (job.folder / "damaged-best.pt").is_file()
    said = capsys.readouterr().out
    assert "best.pt: cannot be read as weights: " in said
    assert "checkpoint: the best weights, those of epoch 1, are lost; those of epoch 2 replace them" in said


def test_a_finished_training_leaves_no_state_behind(tmp_path: Path, stopped: Job) -> None:
    job = copy_of(stopped, tmp_path / "t")

    worker.run(job, lambda _measurement: None)

    left = {path.name for path in job.folder.iterdir()}
    assert left == {"last.pt", "best.pt", "curves.csv", "details.csv", "environment.json"}
    assert [yolo.epochs_done(job.folder / name) for name in ("last.pt", "best.pt")] == [0, 0]


def weights_of_classes(count: int, path: Path) -> str:
    """Write untrained weights of the micro model for so many classes."""
    yolo.settings()
    from ultralytics.nn.tasks import DetectionModel  # noqa: PLC0415  (the doors must be shut before)

    torch.save({"epoch": -1, "model": DetectionModel(str(MICRO), nc=count, verbose=False), "train_args": {}}, path)
    return str(path)


@pytest.mark.parametrize("classes", [0, 3, 80])
def test_the_weights_in_a_state_are_those_that_the_vendor_keeps(tmp_path: Path, data: Path, classes: int) -> None:
    """Also those of a training from weights of other classes, which keeps the width of their head."""
    job = job_at(tmp_path, data)
    if classes:
        job = replace(job, model=weights_of_classes(classes, tmp_path / "first.pt"))

    def compare(_measurement: Measurement, made: Path, state: Path, _shown: EpochDetails) -> None:
        yolo.write_weights(state, tmp_path / "ours.pt")
        shutil.copyfile(made, tmp_path / "theirs.pt")
        yolo.strip(tmp_path / "theirs.pt")
        raise Killed

    with pytest.raises(Killed):
        yolo.train(job, tmp_path / "scratch", state=None, on_epoch=compare)

    ours, theirs = (yolo.load(tmp_path / name).model for name in ("ours.pt", "theirs.pt"))
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())
    assert (ours.names, ours.yaml, ours.stride.tolist()) == (theirs.names, theirs.yaml, theirs.stride.tolist())
    assert yolo.epochs_done(tmp_path / "ours.pt") == 0
