"""Check of models that a detection training can start from: heads of a description, classes in weights, names."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from automl.study.errors import SpecError
from automl.study.yaml_io import read_yaml
from automl.trainers.yolo.pickle_scan import names_in, weights_mistake
from automl.trainers.yolo.state_file import UNREADABLE
from automl.trainers.yolo.vendor import trusted, ultralytics

TRAINABLE: Final = frozenset({"Detect", "v10Detect"})
"""Heads that Ultralytics' detection trainer has a loss for."""
OTHER_HEADS: Final[Mapping[str, str]] = {
    "Segment": "segment", "Segment26": "segment", "SemanticSegment": "semantic segmentation", "Pose": "pose",
    "Pose26": "pose", "OBB": "OBB", "OBB26": "OBB", "Classify": "classify", "Depth": "depth",
    "RTDETRDecoder": "RT-DETR", "WorldDetect": "YOLO-World", "YOLOEDetect": "YOLOE", "YOLOESegment": "YOLOE",
    "YOLOESegment26": "YOLOE",
}  # fmt: skip
"""Last module of a description to the kind of model that it makes."""
OTHER_CLASSES: Final[Mapping[str, str]] = {
    "SegmentationModel": "segment", "SemanticSegmentationModel": "semantic segmentation", "PoseModel": "pose",
    "OBBModel": "OBB", "ClassificationModel": "classify", "DepthModel": "depth", "RTDETRDetectionModel": "RT-DETR",
    "WorldModel": "YOLO-World", "YOLOEModel": "YOLOE", "YOLOESegModel": "YOLOE",
}  # fmt: skip
"""Class in `ultralytics.nn.tasks` that weights name to the kind of model that they contain."""
MODEL_CLASS: Final = re.compile(r"ultralytics\.nn\.tasks\.(\w+)")
EXPORTS: Final[Mapping[str, str]] = {
    ".onnx": "an ONNX export", ".engine": "a TensorRT engine", ".torchscript": "a TorchScript export",
    ".mlpackage": "a CoreML export", ".mlmodel": "a CoreML export", ".tflite": "a TensorFlow Lite export",
    ".pb": "a TensorFlow export", ".mnn": "an MNN export", ".xml": "an OpenVINO export",
    ".safetensors": "tensors without a model",
}  # fmt: skip
OTHER_NAMES: Final = {"-world": "YOLO-World", "yoloe": "YOLOE"}
ONLY: Final = "only detection models with a YOLO head are supported; pass one, such as yolo11n.pt or yolo11n.yaml"


def model_mistake(path: Path) -> str:
    """Return the law that a model file breaks, empty when a detection training can start from it."""
    suffix = path.suffix.lower()
    if suffix == ".pt":
        return weights_mistake(path) or _weights_kind_mistake(path)
    if suffix in {".yaml", ".yml"}:
        return _description_mistake(path)
    kind = EXPORTS.get(suffix, f"a file called {suffix or 'without a suffix'}")
    return (
        f"must be weights (.pt) or a model description (.yaml), but {path} is {kind}, which cannot be trained; pass "
        "the .pt that it was exported from"
    )


def packaged_mistake(name: str) -> str | None:
    """Return the law that a description in Ultralytics' package breaks, empty for a detector; None if it has none.

    Names are those that Ultralytics builds: `yolov8n-p2.yaml` is read from `yolov8-p2.yaml`, `yolov10n.yaml` is a
    file of its own, `yolov8n6.yaml` is the former name of `yolov8n-p6.yaml`; folders may be named: `v8/yolov8n.yaml`.
    """
    root = Path(ultralytics().__file__).parent
    shipped = [path.relative_to(root) for path in (root / "cfg" / "models").rglob("*.yaml")]
    spelled = (Path(candidate).parts for candidate in _spellings(name))
    found = next((path for parts in spelled for path in shipped if path.parts[-len(parts) :] == parts), None)
    return None if found is None else _description_mistake(root / found, shown=name)


def _spellings(name: str) -> Iterator[str]:
    """Yield the names under which Ultralytics looks for a description, in its order (`nn.tasks.yaml_model_load`)."""
    name = re.sub(r"^(yolov[58][nsmlx])6(\.yaml)$", r"\1-p6\2", name)
    yield name
    yield re.sub(r"(\d+)([nslmx])(.+)?$", r"\1\3", name)


def _weights_kind_mistake(path: Path) -> str:
    try:
        with _no_class_allowed():
            named = names_in(path)
    except UNREADABLE:  # of a user who trusts the file; the training reports the error
        return ""
    classes = {found[1] for name in named if (found := MODEL_CLASS.fullmatch(name))}
    kinds = sorted({OTHER_CLASSES[name] for name in classes if name in OTHER_CLASSES})
    if kinds:
        return f"must contain a detector, but {path} contains a model for {' and '.join(kinds)}; {ONLY}"
    if not named:
        return (
            f"must contain a complete model, but {path} contains tensors without layers, such as a state_dict or a "
            "training state; pass the best.pt or last.pt that Ultralytics wrote"
        )
    if not classes and not trusted():
        return f"must contain an Ultralytics detector, but {path} contains other layers; {ONLY}"
    return ""


@contextmanager
def _no_class_allowed() -> Iterator[None]:
    """Revoke the classes that Ultralytics' restricted loading allowed in torch, so that all names are listed."""
    from torch import serialization

    allowed = serialization.get_safe_globals()
    serialization.clear_safe_globals()
    try:
        yield
    finally:
        serialization.add_safe_globals(allowed)


def _description_mistake(path: Path, *, shown: str = "") -> str:
    try:
        raw = read_yaml(path)
    except SpecError as error:
        return f"must be a model's description, but {error}"
    name = shown or str(path)
    if kind := _other_file(raw):
        return f"must be a model's description with backbone and head, but {name} is {kind}"
    head = _head_of(raw)
    if head in TRAINABLE:
        return _file_name_mistake(path)
    if head in OTHER_HEADS:
        return f"must describe a detector, but {name} is a model for {OTHER_HEADS[head]} (its head is {head}); {ONLY}"
    return f"must end in one of {sorted(TRAINABLE)}, but the last module of {name} is {head!r}; {ONLY}"


def _file_name_mistake(path: Path) -> str:
    """Return why Ultralytics mistakes a detector's description for another model: it checks the file's name."""
    taken = next((kind for sign, kind in OTHER_NAMES.items() if sign in path.stem), "")
    return (
        f"must have another file name, since Ultralytics reads {path} as {taken} because of its name" if taken else ""
    )


def _other_file(raw: Mapping[str, Any]) -> str:
    """Return the kind of a YAML file that is not a model, empty for a model."""
    if isinstance(raw.get("head"), list) and raw["head"]:
        return ""
    if "names" in raw or {"train", "val"} <= raw.keys():
        return "the description of a data set; pass it with --data"
    if "space" in raw and "budget" in raw:
        return "the description of a study; pass it as SPEC"
    return f"a file with the keys {sorted(map(str, raw))[:5]}"


def _head_of(raw: Mapping[str, Any]) -> str:
    try:
        return str(raw["head"][-1][-2])
    except (TypeError, LookupError):
        return ""
