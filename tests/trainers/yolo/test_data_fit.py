"""What Ultralytics keeps of a data set is compared with what was staged."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from automl.study import Ending, EndReason, Job, State
from automl.study.errors import DataError
from automl.trainers import yolo
from automl.trials import worker
from tests.conftest import job_at

pytestmark = pytest.mark.yolo


@pytest.fixture
def own(tmp_path: Path, data: Path) -> Path:
    """A staged data set of this test's own, with real files."""
    copied = Path(shutil.copytree(data.parent, tmp_path / "staged")) / "data.yaml"
    copied.write_text(copied.read_text().replace(str(data.parent), str(copied.parent)))
    for path in (copied.parent / "labels").glob("*.cache"):
        path.unlink()
    return copied


def damaged(own: Path, split: str) -> Path:
    image = sorted((own.parent / "images" / split).iterdir())[1]
    image.unlink(missing_ok=True)
    image.write_bytes(b"no picture")
    return image


def test_a_scan_that_leaves_out_staged_images_names_them(own: Path) -> None:
    yolo.scan_labels(own)
    image = damaged(own, "val")
    with pytest.raises(DataError, match=f"val: all 12 staged images must be read, but .* left out 1: {image.name}"):
        yolo.scan_labels(own)


def test_a_split_of_which_nothing_can_be_read_is_one_message(own: Path) -> None:
    for image in sorted((own.parent / "images/val").iterdir()):
        image.unlink()
        image.write_bytes(b"no picture")
    with pytest.raises(DataError, match="val: must be read by Ultralytics, but: No valid images found"):
        yolo.scan_labels(own)


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_trial_that_trains_on_fewer_images_than_were_staged_fails_by_its_data(
    own: Path, tmp_path: Path, split: str
) -> None:
    damaged(own, split)
    ending = worker.run(job_at(tmp_path / "trial", own), lambda _measurement: None)
    assert (ending.state, ending.reason) == (State.FAILED, EndReason.DATA)
    assert f"{split}: all " in ending.cause


def test_a_model_is_judged_on_all_staged_images_or_not_at_all(
    own: Path, tmp_path: Path, trained: tuple[Job, Ending]
) -> None:
    job = replace(trained[0], data=str(own))
    weights = Path(shutil.copy(trained[0].folder / "best.pt", tmp_path / "best.pt"))
    assert yolo.judge(weights, job, split="test")[1].images == 12
    image = damaged(own, "test")
    with pytest.raises(DataError, match=f"test: all 12 staged images must be read, but .* left out 1: {image.name}"):
        yolo.judge(weights, job, split="test")


def test_a_fraction_of_the_images_is_no_difference(own: Path, tmp_path: Path) -> None:
    job = job_at(tmp_path / "trial", own, epochs=1)
    ending = worker.run(replace(job, settings={**job.settings, "fraction": 0.5}), lambda _measurement: None)
    assert ending.state is State.COMPLETED, ending.cause


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pretrained", 3), ("pretrained", []), ("pretrained", {}), ("distill_model", True), ("classes", []),
        ("classes", ["a"]), ("classes", -1), ("classes", [True]), ("freeze", -1), ("freeze", "abc"),
        ("freeze", [1, "a"]), ("freeze", True), ("freeze", 1.5),
    ],
)  # fmt: skip
def test_a_setting_whose_kind_ultralytics_does_not_check_is_refused(name: str, value: object) -> None:
    assert yolo.setting_mistake(name, value).startswith("must be ")


@pytest.mark.parametrize(
    ("name", "value"),
    [("pretrained", True), ("pretrained", None), ("distill_model", None), ("classes", [0, 1]), ("classes", 0),
     ("classes", None), ("freeze", 0), ("freeze", [0, 2]), ("freeze", None)],
)  # fmt: skip
def test_the_usual_values_of_these_settings_are_taken(name: str, value: object) -> None:
    assert yolo.setting_mistake(name, value) == ""
