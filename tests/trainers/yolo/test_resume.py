"""A training that was cut and goes on gives back the curve and the weights of the one that was not, to the last bit."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

import pytest
import torch

from automl.storage import curves_file, layout
from automl.study import Ending, Job, Measurement
from automl.trainers import yolo
from automl.trainers.yolo import state_file
from automl.trials import worker
from tests.builders import written
from tests.conftest import SMALLEST, small_job_at

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
    job = small_job_at(Path(), data, epochs=EPOCHS)
    if kind == "one-to-one head":
        model = str(written(data.parent, "e2e.yaml", SMALLEST.read_text().replace("end2end: False", "end2end: True")))
    given = {"model": model or job.model, **KINDS[kind]}
    settings = {
        **job.settings, "cache": False, "warmup_epochs": 1.5, "close_mosaic": EPOCHS - CLOSED,
        **given.pop("settings", {}),
    }  # fmt: skip
    return replace(job, settings=settings, **given)


def outcome_of(
    job: Job, folder: Path, *, cuts: Sequence[int] = (), report: Callable[[Measurement], None] = lambda _: None
) -> Outcome:
    """Train in a folder, killed after each of `cuts` and begun again."""
    folder.mkdir(exist_ok=True)
    job = replace(job, folder=folder)
    for cut in cuts:
        with pytest.raises(Killed):
            worker.run(job, killed_after(cut))
    ending = worker.run(job, report)
    assert ending.final, ending.cause
    final = {tag: value for tag, value in ending.final.metrics.items() if not tag.startswith("class/")}
    curve = [m.metrics for m in curves_file.read_curves(folder)]
    assert [m.epoch for m in curves_file.read_curves(folder)] == list(range(1, EPOCHS + 1))
    return Outcome(curve, final, [weights_of(folder / name) for name in (layout.LAST, layout.BEST)])


@dataclass(frozen=True)
class Unbroken:
    """A training that was never cut, and what its folder held when each of its epochs was reported.

    That is what a process leaves that is killed there.
    """

    outcome: Outcome
    stopped: Mapping[int, Path]

    @classmethod
    def of(cls, job: Job, folder: Path) -> Self:
        """Train in a folder."""
        trial, stopped = folder / "trial", {epoch: folder / f"stopped-{epoch}" for epoch in range(1, EPOCHS + 1)}

        def keep(measurement: Measurement) -> None:
            shutil.copytree(trial, stopped[measurement.epoch])

        return cls(outcome_of(job, trial, report=keep), stopped)


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


Trainings = Callable[[str], Unbroken]


@pytest.fixture(scope="module")
def trainings(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    """Of a kind of training the one that was never cut; each is trained once."""
    return cache(lambda kind: Unbroken.of(job_of(data, kind), tmp_path_factory.mktemp("unbroken")))


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
    unbroken, (first, *further) = trainings(kind), cuts
    folder = shutil.copytree(unbroken.stopped[first], tmp_path / "trial")
    assert outcome_of(job_of(data, kind), folder, cuts=further) == unbroken.outcome


def test_a_training_whose_report_fails_leaves_what_a_killed_one_leaves(
    tmp_path: Path, data: Path, trainings: Trainings
) -> None:
    assert outcome_of(job_of(data, "SGD"), tmp_path / "trial", cuts=[CUT]) == trainings("SGD").outcome


def test_a_training_from_weights_goes_on_as_if_it_had_never_been_cut(
    tmp_path: Path, data: Path, trained: tuple[Job, Ending]
) -> None:
    job = job_of(data, "SGD", model=str(trained[0].folder / layout.BEST))

    unbroken = Unbroken.of(job, tmp_path)
    assert outcome_of(job, unbroken.stopped[CUT]) == unbroken.outcome


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
    unbroken, whole = trainings("SGD"), state_file.load
    monkeypatch.setattr(state_file, "load", lambda path: {**(state := whole(path)), part: LOST[part](state)})

    again = resumed(job_of(data, "SGD"), unbroken.stopped[CUT], tmp_path / "trial")
    assert again != unbroken.outcome.curve[CUT]


def test_averaged_weights_that_are_lost_are_missed_at_the_end(
    tmp_path: Path, data: Path, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So early in a training they hardly differ from the others: the epoch after the cut may show the same values."""
    unbroken, whole, kind = trainings("SGD"), state_file.load, "SGD"
    shutil.copytree(unbroken.stopped[CUT], tmp_path / "trial")
    monkeypatch.setattr(state_file, "load", lambda path: {**(state := whole(path)), "ema": state["model"]})

    assert outcome_of(job_of(data, kind), tmp_path / "trial") != unbroken.outcome


def test_a_loss_that_changes_from_epoch_to_epoch_goes_on_changing(
    tmp_path: Path, data: Path, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, whole = "one-to-one head", state_file.load
    unbroken = trainings(kind)
    monkeypatch.setattr(state_file, "load", lambda path: {**whole(path), "criterion": None})

    assert resumed(job_of(data, kind), unbroken.stopped[CUT], tmp_path / "trial") != unbroken.outcome.curve[CUT]


def test_a_state_holds_no_code(tmp_path: Path, data: Path) -> None:
    with pytest.raises(Killed):
        worker.run(replace(job_of(data, "SGD"), folder=tmp_path, attempt=3), killed_after(1))

    state = torch.load(tmp_path / "last.pt", weights_only=True)

    assert torch.serialization.get_unsafe_globals_in_checkpoint(tmp_path / "last.pt") == []
    assert (state["epoch"], state["attempt"], state["batch"]) == (1, 3, 8)
    assert {tensor.dtype for tensor in state["ema"].values()} == {torch.float32, torch.int64}
