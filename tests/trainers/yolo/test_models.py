"""Which models a detection training can start from: told by what they are, before anything is loaded or started."""

import zipfile
from pathlib import Path

import pytest
import torch
from ultralytics.nn import tasks

from automl.trainers.yolo.models import model_mistake, packaged_mistake

pytestmark = pytest.mark.yolo
HEADS = {
    "Segment": "segment", "Pose": "pose", "OBB": "OBB", "Classify": "classify", "RTDETRDecoder": "RT-DETR",
    "WorldDetect": "YOLO-World", "YOLOEDetect": "YOLOE", "Depth": "depth",
}  # fmt: skip


def described(path: Path, head: str) -> Path:
    path.write_text(f"nc: 3\nbackbone:\n  - [-1, 1, Conv, [12, 3, 2]]\nhead:\n  - [-1, 1, {head}, [nc]]\n")
    return path


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "yolo11n.yaml", "yolo11.yaml", "yolov8n-p2.yaml", "yolov8s-p6.yaml", "yolov8x6.yaml", "yolov5n6.yaml",
        "yolo26n-p2.yaml", "yolov10n.yaml", "yolov10b.yaml", "yolov9s.yaml", "yolov9e.yaml", "yolov8n-ghost.yaml",
        "yolov8n-ghost-p2.yaml", "yolov3-tiny.yaml", "yolo12x.yaml",
    ],
)  # fmt: skip
def test_every_detector_of_the_package_is_known_by_the_names_that_ultralytics_builds(name: str) -> None:
    assert packaged_mistake(name) == ""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("yolo11n-seg.yaml", "segment"), ("yolov8m-pose-p6.yaml", "pose"), ("yolo26n-obb.yaml", "OBB"),
        ("yolov8-cls-resnet50.yaml", "classify"), ("rtdetr-l.yaml", "RT-DETR"), ("yolov8n-rtdetr.yaml", "RT-DETR"),
        ("yolov8s-worldv2.yaml", "YOLO-World"), ("yoloe-11s.yaml", "YOLOE"), ("yolo26n-sem.yaml", "semantic"),
    ],
)  # fmt: skip
def test_a_shipped_model_of_another_kind_is_refused_by_name(name: str, kind: str) -> None:
    assert kind in str(packaged_mistake(name))


def test_a_name_that_is_not_shipped_is_unknown() -> None:
    assert packaged_mistake("yolo11q.yaml") is None


@pytest.mark.parametrize(("head", "kind"), HEADS.items())
def test_a_description_of_another_task_is_refused_by_its_head(tmp_path: Path, head: str, kind: str) -> None:
    assert f"is a model for {kind} (its head is {head})" in model_mistake(described(tmp_path / "own.yaml", head))


@pytest.mark.parametrize("head", ["Detect", "v10Detect"])
def test_a_description_of_a_detector_holds(tmp_path: Path, head: str) -> None:
    assert model_mistake(described(tmp_path / "own.yml", head)) == ""


@pytest.mark.parametrize("name", ["my-world.yaml", "yoloe-mine.yaml"])
def test_a_file_name_by_which_ultralytics_takes_another_model_is_refused(tmp_path: Path, name: str) -> None:
    assert "must have another file name" in model_mistake(described(tmp_path / name, "Detect"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train: images\nval: images\nnames: [a]\n", "the description of a data set; pass it with --data"),
        ("space: {}\nbudget: {}\n", "the description of a study"), ("nc: 3\n", "a file with the keys ['nc']"),
        ("[1, 2]", "must contain `key: value` lines"), ("head: [1]\n", "the last module of"),
    ],
)  # fmt: skip
def test_a_yaml_that_describes_no_model_is_called_what_it_is(tmp_path: Path, text: str, said: str) -> None:
    (path := tmp_path / "odd.yaml").write_text(text)
    assert said in model_mistake(path)


@pytest.mark.parametrize(
    ("name", "said"),
    [("best.onnx", "an ONNX export"), ("best.engine", "a TensorRT engine"), ("a.pth", "a file called .pth"), ("b", "")],
)
def test_a_file_that_cannot_be_trained_is_called_what_it_is(tmp_path: Path, name: str, said: str) -> None:
    (path := tmp_path / name).write_bytes(b"\x08\x08")
    found = model_mistake(path)
    assert said in found
    assert "which cannot be trained" in found


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (tasks.SegmentationModel, "segment"), (tasks.PoseModel, "pose"), (tasks.OBBModel, "OBB"),
        (tasks.ClassificationModel, "classify"), (tasks.RTDETRDetectionModel, "RT-DETR"),
        (tasks.WorldModel, "YOLO-World"), (tasks.YOLOEModel, "YOLOE"),
    ],
)  # fmt: skip
def test_weights_of_another_task_are_refused_unloaded(tmp_path: Path, made: type, kind: str) -> None:
    assert f"contains a model for {kind}" in model_mistake(saved(tmp_path / "best.pt", {"model": made}))


def test_weights_of_a_detector_hold_also_after_ultralytics_loaded_some(tmp_path: Path) -> None:
    path = saved(tmp_path / "best.pt", {"model": tasks.DetectionModel})
    torch.serialization.add_safe_globals([tasks.DetectionModel])
    try:
        assert model_mistake(path) == ""
        assert tasks.DetectionModel in torch.serialization.get_safe_globals()
    finally:
        torch.serialization.clear_safe_globals()


def test_bare_numbers_and_bare_layers_are_no_model(tmp_path: Path) -> None:
    layer = torch.nn.Conv2d(1, 1, 1)
    assert "tensors without layers" in model_mistake(saved(tmp_path / "a.pt", layer.state_dict()))
    assert "contains other layers" in model_mistake(saved(tmp_path / "b.pt", {"model": layer}))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"), (b"<!DOCTYPE html>", "a web page"),
        (b"", "it is empty"), (b"<?xml version='1.0'?>", "an XML text"), (b'{"message": 1}', "a JSON text"),
        (b"\x1f\x8b\x08", "by gzip"), (b"\x89HDF\r\n", "an HDF5 file"), (b"ftrt\0", "a TensorRT engine"),
        (b'\x10\0\0\0\0\0\0\0{"a": {}}', "in the format safetensors"),
        (b"\x08\x08\x12\x07pytorch", "an ONNX export"), (b"PK\x03\x04cut", "truncated or damaged"),
        (b"\x80\x02}q\x00.", "a bare pickle"),
    ],
)  # fmt: skip
def test_a_pt_that_torch_did_not_write_is_called_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    (path := tmp_path / "best.pt").write_bytes(content)
    assert said in model_mistake(path)


def test_a_torchscript_called_pt_is_called_what_it_is(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "best.pt", "w") as archive:
        archive.writestr("best/code/model.py", "")
        archive.writestr("best/constants.pkl", "")
    assert "TorchScript" in model_mistake(tmp_path / "best.pt")


def test_a_packaged_description_may_be_named_with_its_folder() -> None:
    assert packaged_mistake("v8/yolov8n.yaml") == packaged_mistake("cfg/models/v8/yolov8-p2.yaml") == ""
    assert packaged_mistake("v9/yolov8n.yaml") is None
