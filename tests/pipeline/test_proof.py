"""Which searched parameters change a training: probes of a space, and the proof with the tiny trainer."""

from pathlib import Path

import pytest

from automl.data import check
from automl.data.record import DataSet
from automl.pipeline import preview, proof
from automl.pipeline.proof import Dead, SpaceProof
from automl.storage.place import Place
from automl.study.space import Alternatives, Choice, Integer, Real, SearchSpace
from automl.study.spec import StudySpec
from automl.study.yaml_io import read_yaml
from automl.trainers import trainer_of
from tests import tiny_trainer
from tests.builders import spec_of

RATES = SearchSpace({
    "optimizer": Choice(("auto", "SGD", "AdamW"), "auto"),
    "lr0": Alternatives((
        Real(1e-3, 0.1, 0.01, when={"optimizer": ["SGD"]}), Real(1e-4, 5e-3, 1e-3, when={"optimizer": ["AdamW"]}),
    )),
    "close_mosaic": Integer(0, 10, 10),
})  # fmt: skip


def part_of(name: str, number: int) -> Real | Integer:
    parameter = RATES.parameters[name]
    part = parameter.ranges[number] if isinstance(parameter, Alternatives) else parameter
    if isinstance(part, Choice):
        raise TypeError(name)
    return part


class TestProbes:
    """Params of a probe."""

    def test_a_conditional_range_is_compared_where_it_is_live(self) -> None:
        probe = proof.probe_of(RATES, "lr0", part_of("lr0", 1))

        assert probe.reference == {"optimizer": "AdamW", "lr0": 1e-3, "close_mosaic": 10}
        assert [params["lr0"] for params in probe.others] == [5e-3, 1e-4]
        assert all(params["optimizer"] == "AdamW" for params in probe.others)

    def test_an_end_that_is_the_default_is_not_compared_with_itself(self) -> None:
        probe = proof.probe_of(RATES, "close_mosaic", part_of("close_mosaic", 0))

        assert [params["close_mosaic"] for params in probe.others] == [0]

    def test_another_choice_brings_the_params_that_are_live_under_it(self) -> None:
        choice = RATES.parameters["optimizer"]
        assert isinstance(choice, Choice)
        probe = proof.probe_of(RATES, "optimizer", choice)

        assert probe.reference == {"optimizer": "auto", "close_mosaic": 10}
        assert [params["optimizer"] for params in probe.others] == ["SGD", "AdamW"]
        assert [params["lr0"] for params in probe.others] == [0.01, 1e-3]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_TRAINER", tiny_trainer.registered())


@pytest.fixture
def spec() -> StudySpec:
    ranges = {
        "lr0": {"low": 0.01, "high": 0.1, "default": 0.02}, "dropout": {"low": 0.0, "high": 0.5, "default": 0.0},
        "imgsz": {"choices": [32, 64], "default": 32},
    }  # fmt: skip
    return spec_of(model=tiny_trainer.MODEL, space=ranges, train={"optimizer": "SGD"})


@pytest.fixture
def checked(data: Path) -> DataSet:
    return check.check(data, read_yaml(data), splits=("train", "val"))


@pytest.mark.usefixtures("tiny")
class TestProof:
    """Proofs with the tiny trainer."""

    def test_live_dead_and_unproved_parameters_are_told_apart(self, spec: StudySpec, checked: DataSet) -> None:
        found = proof.prove(spec, checked)

        assert found.live == {"space.lr0": "weights"}
        assert found.dead == (Dead("space.dropout", (0.0, 0.5), 3),)
        assert found.unproved == {"space.imgsz": "replaced by its own"}
        assert found.refused == ("space.dropout: has no effect",)
        first, dead, unproved = found.lines()
        assert first.startswith("space proof: of 3 searched parameters 1 change the training, 1 do not, 1 could not")
        assert dead == (
            "space proof: space.dropout: has no effect: with 0.0, 0.5 all 3 batches and the weights after each are the "
            "same, bit for bit; remove it from space"
        )
        assert unproved == "space proof: space.imgsz: not proved: replaced by its own"

    def test_a_trainer_that_cannot_compare_says_so(self, spec: StudySpec, checked: DataSet) -> None:
        found = proof.prove(spec, checked, seconds=0)

        assert found == SpaceProof(refused=found.refused, problem="tiny: cannot compare trainings")
        assert [*found.lines()] == ["space proof: nothing was proved: tiny: cannot compare trainings"]

    def test_a_space_that_is_refused_is_not_timed(self, data: Path, tmp_path: Path) -> None:
        ranges = {"dropout": {"low": 0.0, "high": 0.5, "default": 0.0}}
        spec = spec_of(model=tiny_trainer.MODEL, space=ranges, data=str(data), train={"optimizer": "SGD"})
        found = preview.preview(spec, Place(tmp_path), prove=True)

        assert found.proof is not None
        assert found.proof.refused
        assert found.time.summary() == f"time: could not be measured on this machine: {preview.REFUSED}"

    def test_few_images_have_every_class(self, checked: DataSet) -> None:
        images = proof.few(checked).images
        kinds = {line.split()[0] for path in images["train"] for line in checked.texts[path].splitlines()}

        assert len(images["train"]) <= proof.IMAGES
        assert kinds == {"0", "1", "2"}
        assert trainer_of().BATCH == tiny_trainer.BATCH
