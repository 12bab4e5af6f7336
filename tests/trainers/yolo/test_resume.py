"""A training that was cut and goes on gives back the curve and the weights of the one that was not, to the last bit."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from automl.storage import curves_file, layout
from automl.study import Ending, Job, Measurement
from automl.trainers import yolo
from automl.trainers.yolo import state_file
from automl.trials import worker
from tests.builders import written
from tests.conftest import MICRO, job_at

pytestmark = pytest.mark.yolo

EPOCHS = 5
CLOSED = 3
"""The epochs behind the training when mosaic is closed."""
CUT = 2
"""The epochs behind a training when it is killed, where nothing else is said."""
KINDS: Mapping[str, Mapping[str, Any]] = {
    "SGD": {"params": {"optimizer": "SGD", "lr0": 0.02}},
    "AdamW": {"params": {"optimizer": "AdamW", "lr0": 0.002}, "validate_every": 3},
    "auto": {"params": {"optimizer": "auto"}},
    "steps of four batches": {"settings": {"nbs": 32}},
    "images in memory": {"settings": {"cache": "ram"}},
    "images never moved": {"settings": {"mosaic": 0.0, "translate": 0.0, "scale": 0.0}},
    "one-to-one head": {"params": {"optimizer": "MuSGD", "lr0": 0.01}},
}


class Killed(BaseException):
    """What the loss of its worker looks like to a trial."""


@dataclass(frozen=True)
class Outcome:
    """What two trainings are compared by."""

    curve: Sequence[Mapping[str, float]]
    final: Mapping[str, float]
    weights: Sequence[Mapping[str, torch.Tensor]]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Outcome)
            and (self.curve, self.final) == (other.curve, other.final)
            and all(
                torch.equal(one[name], two[name])
                for one, two in zip(self.weights, other.weights, strict=True)
                for name in one
            )
        )

    __hash__ = None  # type: ignore[assignment]


def job_of(data: Path, kind: str, *, model: str = "") -> Job:
    job = job_at(Path(), data, epochs=EPOCHS)
    if kind == "one-to-one head":
        model = str(written(data.parent, "e2e.yaml", MICRO.read_text().replace("end2end: False", "end2end: True")))
    given = {"model": model or job.model, **KINDS[kind]}
    settings = {
        **job.settings, "imgsz": 64, "cache": False, "warmup_epochs": 1.5, "close_mosaic": EPOCHS - CLOSED,
        **given.pop("settings", {}),
    }  # fmt: skip
    return replace(job, settings=settings, **given)


def outcome_of(job: Job, folder: Path, *, cuts: Sequence[int] = ()) -> Outcome:
    """Train in a folder, killed after each of `cuts` and begun again."""
    folder.mkdir(exist_ok=True)
    job = replace(job, folder=folder)
    for cut in cuts:
        with pytest.raises(Killed):
            worker.run(job, killed_after(cut))
    ending = worker.run(job, lambda _measurement: None)
    assert ending.final, ending.cause
    final = {tag: value for tag, value in ending.final.metrics.items() if not tag.startswith("class/")}
    curve = [m.metrics for m in curves_file.read_curves(folder)]
    assert [m.epoch for m in curves_file.read_curves(folder)] == list(range(1, EPOCHS + 1))
    return Outcome(curve, final, [weights_of(folder / name) for name in (layout.LAST, layout.BEST)])


def until_killed(job: Job, folder: Path) -> Path:
    """Train in a folder, killed after the epoch CUT."""
    folder.mkdir()
    with pytest.raises(Killed):
        worker.run(replace(job, folder=folder), killed_after(CUT))
    return folder


def resumed(job: Job, stopped: Path, folder: Path) -> Mapping[str, float]:
    """Return the metrics of the epoch after CUT of a training that is resumed from a copy of its folder."""
    shutil.copytree(stopped, folder)
    with pytest.raises(Killed):
        worker.run(replace(job, folder=folder), killed_after(CUT + 1))
    return curves_file.read_curves(folder)[CUT].metrics


def killed_after(epoch: int) -> Callable[[Measurement], None]:
    def report(measurement: Measurement) -> None:
        if measurement.epoch == epoch:
            raise Killed

    return report


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a finished training."""
    assert yolo.epochs_done(path) == 0
    return dict(yolo.load(path).model.state_dict())


Trainings = tuple[Callable[[str], Outcome], Callable[[str], Path]]


@pytest.fixture(scope="module")
def trainings(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    """Of a kind of training the outcome when it was never cut, and its folder when it was killed after CUT.

    Each is trained once.
    """
    make = tmp_path_factory.mktemp
    return (
        cache(lambda kind: outcome_of(job_of(data, kind), make("unbroken"))),
        cache(lambda kind: until_killed(job_of(data, kind), make("stopped") / "trial")),
    )


@pytest.mark.parametrize(
    ("kind", "cuts"),
    [
        ("SGD", [1]),
        ("SGD", [CLOSED]),
        ("SGD", [CLOSED + 1]),
        ("SGD", [EPOCHS]),
        ("SGD", [2, CLOSED]),
        ("AdamW", [1]),
        ("AdamW", [CLOSED]),
        ("AdamW", [CLOSED + 1]),
        ("steps of four batches", [1]),
        ("steps of four batches", [CLOSED]),
        ("images in memory", [2]),
        ("images never moved", [2]),
        ("one-to-one head", [2]),
    ],
)
def test_a_cut_training_ends_as_if_it_had_never_been_cut(
    tmp_path: Path, data: Path, trainings: Trainings, kind: str, cuts: Sequence[int]
) -> None:
    unbroken, stopped = trainings
    folder, further = tmp_path / "trial", [*cuts]
    if further[0] == CUT:
        shutil.copytree(stopped(kind), folder)
        further.pop(0)
    assert outcome_of(job_of(data, kind), folder, cuts=further) == unbroken(kind)


def test_a_training_from_weights_goes_on_as_if_it_had_never_been_cut(
    tmp_path: Path, data: Path, trained: tuple[Job, Ending]
) -> None:
    job = job_of(data, "SGD", model=str(trained[0].folder / layout.BEST))

    assert outcome_of(job, tmp_path / "cut", cuts=[2]) == outcome_of(job, tmp_path / "unbroken")


LOST: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    "random": lambda state: {**state["random"], "python": [3, [*range(1, 625), 624], None]},
    "loader": lambda _state: torch.Generator().get_state(),
    "buffer": lambda _state: [],
    "updates": lambda _state: 0,
    "optimizer": lambda state: {**state["optimizer"], "state": {}},
}
"""What is put in place of a part of a state."""


@pytest.mark.parametrize("part", LOST)
def test_a_training_that_goes_on_without_a_part_of_its_state_is_another(
    tmp_path: Path, data: Path, trainings: Trainings, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """At once: the first epoch after the cut is another, of which the whole state makes the same to the last bit."""
    unbroken, stopped = trainings
    whole, folder = state_file.load, stopped("SGD")
    monkeypatch.setattr(state_file, "load", lambda path: {**(state := whole(path)), part: LOST[part](state)})

    assert resumed(job_of(data, "SGD"), folder, tmp_path / "trial") != unbroken("SGD").curve[CUT]


def test_averaged_weights_that_are_lost_are_missed_at_the_end(
    tmp_path: Path, data: Path, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So early in a training they hardly differ from the others: the epoch after the cut may show the same values."""
    unbroken, stopped = trainings
    whole, kind = state_file.load, "SGD"
    shutil.copytree(stopped(kind), tmp_path / "trial")
    monkeypatch.setattr(state_file, "load", lambda path: {**(state := whole(path)), "ema": state["model"]})

    assert outcome_of(job_of(data, kind), tmp_path / "trial") != unbroken(kind)


def test_a_loss_that_changes_from_epoch_to_epoch_goes_on_changing(
    tmp_path: Path, data: Path, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken, stopped = trainings
    kind = "one-to-one head"
    whole, folder = state_file.load, stopped(kind)
    monkeypatch.setattr(state_file, "load", lambda path: {**whole(path), "criterion": None})

    assert resumed(job_of(data, kind), folder, tmp_path / "trial") != unbroken(kind).curve[CUT]


def test_a_state_holds_no_code(tmp_path: Path, data: Path) -> None:
    with pytest.raises(Killed):
        worker.run(replace(job_of(data, "SGD"), folder=tmp_path, attempt=3), killed_after(1))

    state = torch.load(tmp_path / "last.pt", weights_only=True)

    assert torch.serialization.get_unsafe_globals_in_checkpoint(tmp_path / "last.pt") == []
    assert (state["epoch"], state["attempt"], state["batch"]) == (1, 3, 8)
    assert {tensor.dtype for tensor in state["ema"].values()} == {torch.float32, torch.int64}
