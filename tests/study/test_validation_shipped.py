"""The shipped spaces, and mistakes in them, as the real trainer's rules see them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from ultralytics.nn.tasks import DetectionModel

from automl.study import load as study_load
from automl.study import spec
from automl.study.errors import SpecError
from automl.trainers import yolo
from tests.builders import written

pytestmark = pytest.mark.yolo
SPACES = Path(__file__).parents[2] / "search_spaces"
SHIPPED = sorted({*SPACES.glob("*.yaml")} - {SPACES / "portfolio.yaml"})


def load(path: Path, folder: Path, **overrides: Any) -> spec.StudySpec:
    """Load a copy of a spec that stands beside files of the names it wants."""
    for size in "nsmlx":
        torch.save({"model": DetectionModel}, folder / f"yolo11{size}.pt")
        torch.save({"model": DetectionModel}, folder / f"yolo26{size}.pt")
    written(folder / "models", "micro.yaml", (SPACES / "models" / "micro.yaml").read_text())
    copy = written(folder, path.name, path.read_text())
    return study_load.load(copy, rules=yolo, overrides=overrides)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_space_holds_and_is_read_back_from_its_study(path: Path, tmp_path: Path) -> None:
    found = load(path, tmp_path)
    assert found.search_space.contains(found.search_space.defaults())
    assert study_load.stored(written(tmp_path, "study.yaml", study_load.dump(found))) == found
    assert found.ladder.rungs


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_default_params_of_a_shipped_space_are_those_of_ultralytics(path: Path, tmp_path: Path) -> None:
    found, conditions = load(path, tmp_path), {"imgsz", "batch", "cache"}
    used = {**found.train, **found.search_space.defaults()}
    own = yolo.settings() | {"freeze": 0}  # None there: no layer either
    assert used["optimizer"] == "auto"
    assert {k: v for k, v in used.items() if k not in conditions | {"model"} and own[k] != v} == {}
    assert set(found.train) <= conditions | {"close_mosaic"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_space_names_no_file_of_this_machine(path: Path) -> None:
    assert (
        "/" not in path.read_text().replace("models/micro.yaml", "").replace("://", "").split("name:")[1].split("#")[0]
    )


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("train.imgsz", 0, "train.imgsz: must be a positive whole number, a multiple of 32, but got 0"),
        ("train.imgsz", 100, "train.imgsz: must be a positive whole number, a multiple of 32, but got 100"),
        ("train.imgsz", True, "train.imgsz: must be a positive whole number, a multiple of 32, but got True"),
        (
            "train.imgsz",
            [128, 128],
            "train.imgsz: must be a positive whole number, a multiple of 32, but got [128, 128]",
        ),
        ("train.batch", -1, "train.batch: must be a positive whole number, but got -1"),
        ("train.epochs", 3, "train.epochs: cannot be set here: set ladder.max_epochs"),
        ("train.device", 0, "train.device: cannot be set here: Ray assigns the devices; set resources.gpus"),
        ("train.project", "x", "train.project: cannot be set here: it is the same for every trial"),
        ("train.momentun", 1, "train.momentun: is not a setting of Ultralytics; did you mean momentum?"),
        ("space.lr1", {"low": 0.1, "high": 1.0, "default": 0.5}, "space.lr1: is not a setting of Ultralytics"),
    ],
)
def test_a_setting_is_held_against_the_trainer_s_own_list(tmp_path: Path, key: str, value: object, told: str) -> None:
    with pytest.raises(SpecError, match=r".") as caught:
        load(SPACES / "smoke.yaml", tmp_path, **{key: value})
    assert any(mistake.endswith(told) or f": {told}" in mistake for mistake in caught.value.mistakes)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.cos_lr", "yes"), ("train.cos_lr", 3), ("train.flipud", "half"), ("train.flipud", 2.0),
        ("train.warmup_epochs", None), ("train.close_mosaic", "never"), ("train.close_mosaic", 1.5),
        ("train.flipud", float("nan")), ("train.box", [7.5]), ("train.nbs", {"a": 1}), ("train.freeze", {"a": 1}),
        ("space.flipud.high", 1.5), ("space.mosaic.low", -1.0), ("space.optimizer.choices", ["AdamW", "Lion"]),
        ("space.scale", {"choices": [0.5, "much"], "default": 0.5}),
    ],
)  # fmt: skip
def test_a_value_that_the_trainer_refuses_is_one_message_with_key_and_value(
    tmp_path: Path, key: str, value: object
) -> None:
    with pytest.raises(SpecError, match=r"but got") as caught:
        load(SPACES / "smoke.yaml", tmp_path, **{key: value})
    section = ".".join(key.split(".")[:2])
    assert any(f"{section}: " in mistake for mistake in caught.value.mistakes)
    assert all("\n" not in mistake for mistake in caught.value.mistakes)


NO_MODELS = ["*", "yolo*.yaml", "?", "[a-z]*.yaml", "", ".", "..", "**", "yolo11n.pt", "yolo11q.yaml", "default.yaml"]


@pytest.mark.parametrize("name", NO_MODELS)
def test_a_model_that_is_neither_a_file_nor_packaged_is_refused(tmp_path: Path, name: str) -> None:
    copy = written(tmp_path, "smoke.yaml", (SPACES / "smoke.yaml").read_text())
    with pytest.raises(SpecError, match=r"smoke.yaml: model: must be an existing file"):
        study_load.load(copy, rules=yolo, overrides={"model": name})


@pytest.mark.parametrize("name", ["yolo11n.yaml", "yolo11x.yaml", "yolov8s.yaml"])
def test_a_model_that_ultralytics_ships_is_taken(tmp_path: Path, name: str) -> None:
    copy = written(tmp_path, "smoke.yaml", (SPACES / "smoke.yaml").read_text())
    assert study_load.load(copy, rules=yolo, overrides={"model": name}).model == name
