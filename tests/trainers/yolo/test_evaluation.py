"""Settings that shape a result hold from the training to what is judged, exported and served."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl.release import export
from automl.storage.layout import EVALUATION
from automl.study import EvalSettings, Job
from automl.study.space import Choice, Real, SearchSpace
from automl.study.yaml_io import read_yaml
from automl.trainers import yolo
from automl.trainers.yolo.evaluation import evaluation, model_names, validation_arguments
from automl.trials import worker
from tests.conftest import job_at

pytestmark = pytest.mark.yolo


def staged(folder: Path, *, most: int, channels: int = 3) -> Path:
    for split, count in (("train", 2), ("val", 1), ("test", most)):
        (folder / "labels" / split).mkdir(parents=True)
        lines = "".join(f"{index % 2} 0.5 0.5 0.1 {0.1 + index / 10000:.4f}\n" for index in range(count))
        (folder / "labels" / split / "a.txt").write_text(2 * lines)
    (folder / "data.yaml").write_text(
        f"path: {folder}\ntrain: images/train\nval: images/val\nchannels: {channels}\nnames: [disc, bar]\n"
    )
    return folder / "data.yaml"


def of(folder: Path, *, most: int = 5, channels: int = 3, **settings: Any) -> EvalSettings:
    job = job_at(folder / "job", staged(folder / "data", most=most, channels=channels))
    return evaluation(replace(job, settings={**job.settings, **settings}))


def test_the_defaults_are_those_of_ultralytics(tmp_path: Path) -> None:
    assert of(tmp_path) == EvalSettings(
        imgsz=128, channels=3, conf=None, iou=0.7, max_det=300, agnostic_nms=False, single_cls=False, classes=None,
        nms=True, names={0: "disc", 1: "bar"},
    )  # fmt: skip


def test_what_a_job_sets_is_recorded_and_passed_on(tmp_path: Path) -> None:
    given: dict[str, Any] = {"conf": 0.2, "iou": 0.5, "max_det": 40, "agnostic_nms": True, "classes": 1, "nms": False}
    found = of(tmp_path, channels=1, **given)
    assert (found.channels, found.classes) == (1, (1,))
    assert validation_arguments(found) == {"imgsz": 128, "single_cls": False, **given, "classes": [1]}


@pytest.mark.parametrize(
    ("most", "settings", "max_det"),
    [(299, {}, 300), (400, {}, 400), (400, {"max_det": 350}, 350), (700, {"classes": [0]}, 350)],
)
def test_as_many_boxes_are_found_as_a_picture_holds(
    tmp_path: Path, most: int, settings: dict[str, Any], max_det: int
) -> None:
    assert of(tmp_path, most=most, **settings).max_det == max_det


def test_the_record_names_classes_as_the_model_numbers_them(tmp_path: Path) -> None:
    found = of(tmp_path, classes=[1])
    assert found.to_dict()["classes"] == [1]
    assert replace(found, single_cls=True).to_dict()["classes"] is None


def test_a_model_of_one_class_is_named_as_ultralytics_names_it(tmp_path: Path) -> None:
    assert of(tmp_path, single_cls=True).names == {0: "item"}
    assert model_names({"single_cls": False}, {0: "a"}) == {0: "a"}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("augment", True, "test-time augmentation"), ("quantize", 8, "FP32"), ("dnn", True, "ONNX Runtime")],
)
def test_a_setting_that_would_judge_another_model_than_ships_is_refused(name: str, value: object, said: str) -> None:
    assert said in yolo.setting_mistake(name, value)
    assert yolo.setting_mistake(name, yolo.settings()[name]) == ""


@pytest.mark.parametrize("name", ["single_cls", "classes"])
def test_what_says_which_boxes_count_is_not_searched(name: str) -> None:
    space = SearchSpace({name: Choice((0, 1), 0), "momentum": Real(0.5, 0.9, 0.8)})
    found = yolo.dead_parameters(space, {**yolo.settings(), "optimizer": "SGD"}, epochs=20)
    assert [*found] == [
        f"space.{name}: must be equal for all trials, since it changes the evaluation; set train.{name}"
    ]


@pytest.fixture(scope="module")
def one_class(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Job:
    """A job that was trained with `single_cls` on two of the three classes."""
    job = job_at(tmp_path_factory.mktemp("one_class"), data, epochs=4)
    job = replace(job, settings={**job.settings, "single_cls": True, "classes": [0, 1]})
    ended = worker.run(job, lambda _measurement: None)
    assert ended.cause == ""
    return job


def test_a_model_of_one_class_is_judged_as_it_was_trained_in_every_format(one_class: Job, tmp_path: Path) -> None:
    images = sorted((Path(one_class.data).parent / "images" / "val").iterdir())
    built = export.build(one_class.folder / "best.pt", one_class, tmp_path, images=images, engine="none")

    assert built.onnx_score == pytest.approx(built.torch_score, abs=1e-3)
    assert "class/item" in built.metrics
    kept = EvalSettings.from_dict(read_yaml(tmp_path / EVALUATION))
    assert (kept.single_cls, kept.classes, kept.names) == (True, None, {0: "item"})
