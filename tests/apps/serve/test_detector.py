"""The serving detector against Ultralytics' predictor on the same ONNX file: the same boxes, whatever the image."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from automl.apps.serve.backend import OnnxRuntime
from automl.apps.serve.detector import Detector, letterboxed
from automl.apps.serve.images import decode
from automl.apps.serve.thresholds import Thresholds
from automl.study.errors import RegistryError
from automl.study.yaml_io import dump_yaml
from automl.trainers import yolo
from tests import detectors
from tests.conftest import job_at

SIZE = 160
HEADS = ("yolo11n.yaml", "yolo26n.yaml", "yolov10n.yaml")
WANTED = (
    Thresholds(),
    Thresholds(conf=0.1),
    Thresholds(conf=0.05, iou=0.3),
    Thresholds(conf=0.02, iou=0.9, max_det=7),
    Thresholds(conf=0.05, agnostic_nms=True),
    Thresholds(conf=0.02, classes=(0, 2)),
)


def scene(height: int, width: int) -> Image.Image:
    """Draw rectangles on noise, so that boxes differ in place and score."""
    noise = np.random.default_rng(height * 10_000 + width)
    pixels = noise.integers(0, 60, (height, width, 3), dtype=np.uint8)
    for _ in range(12):
        x, y = noise.integers(0, width), noise.integers(0, height)
        pixels[y : y + height // 3 + 1, x : x + width // 3 + 1] = noise.integers(0, 256, 3, dtype=np.uint8)
    return Image.fromarray(pixels)


def saved(kind: str, change: Callable[[Image.Image], Image.Image] = lambda image: image, **how: Any) -> Any:
    def save(folder: Path) -> Path:
        path = folder / f"image.{kind}"
        change(scene(90, 130)).save(path, **how)
        return path

    return save


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def deep(_image: Image.Image) -> Image.Image:
    return Image.fromarray(np.arange(90 * 130, dtype=np.uint16).reshape(90, 130) * 5)


KINDS: dict[str, Callable[[Path], Path]] = {
    "JPEG": saved("jpg"),
    "progressive JPEG": saved("jpg", progressive=True),
    "CMYK JPEG": saved("jpg", lambda image: image.convert("CMYK")),
    "grey JPEG": saved("jpg", lambda image: image.convert("L")),
    **{f"EXIF {number}": saved("jpg", exif=turned(number)) for number in range(2, 9)},
    "turned PNG": saved("png", exif=turned(6)),
    "turned TIFF": saved("tif", exif=turned(6)),
    "PNG with a profile": saved("png", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
    "grey PNG": saved("png", lambda image: image.convert("L")),
    "palette PNG": saved("png", lambda image: image.convert("P")),
    "transparent palette PNG": saved("png", lambda image: image.convert("P"), transparency=3),
    "alpha PNG": saved("png", lambda image: image.convert("RGBA")),
    "16 bit PNG": saved("png", deep),
    "16 bit TIFF": saved("tif", deep),
    "TIFF": saved("tif"),
    "alpha TIFF": saved("tif", lambda image: image.convert("RGBA")),
    "grey TIFF": saved("tif", lambda image: image.convert("L")),
    "BMP": saved("bmp"),
    "WebP": saved("webp"),
    "alpha WebP": saved("webp", lambda image: image.convert("RGBA")),
}


@pytest.fixture(scope="module", params=HEADS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export a detector with random weights; the scores are spread, so that thresholds divide the boxes."""
    yolo.settings()
    import torch  # noqa: PLC0415
    from ultralytics import YOLO  # noqa: PLC0415

    torch.manual_seed(3)
    built = YOLO(request.param, task="detect")
    for layer in built.model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0  # one batch sets the statistics, without which random features vanish
    with torch.no_grad():
        pixels = np.stack([np.asarray(scene(SIZE, SIZE + n).resize((SIZE, SIZE))) for n in range(4)])
        built.model.train()(torch.from_numpy(pixels.transpose(0, 3, 1, 2) / np.float32(255)))
        built.model.eval()
        head = built.model.model[-1]
        for branches in (head.cv3, getattr(head, "one2one_cv3", None)):
            for branch in branches or ():
                branch[-1].weight.normal_(0, 0.3)
                branch[-1].bias.fill_(-4.0)
    weights = tmp_path_factory.mktemp("head") / "model.pt"
    built.save(weights)
    names = dict(built.model.names)
    data = weights.with_name("data.yaml")
    data.write_text(dump_yaml({"train": "images", "val": "images", "names": names}))
    job = job_at(weights.parent, data)
    return yolo.export_onnx(weights, replace(job, settings={**job.settings, "imgsz": SIZE}))


def vendors(predictor: Any, path: Path, wanted: Thresholds) -> NDArray[np.float64]:
    found = predictor.predict(
        path, conf=wanted.conf, iou=wanted.iou, max_det=wanted.max_det, agnostic_nms=wanted.agnostic_nms,
        classes=list(wanted.classes) if wanted.classes else None, imgsz=SIZE, rect=False, device="cpu", verbose=False,
    )[0].boxes  # fmt: skip
    return np.column_stack([found.xyxy.numpy(), found.conf.numpy(), found.cls.numpy()]).astype(np.float64)


def ours(detector: Detector, path: Path, wanted: Thresholds) -> NDArray[np.float64]:
    numbers = {name: number for number, name in detector.names.items()}
    boxes = detector.detect(decode(path.read_bytes()), wanted)
    rows = [[*box["box"], box["confidence"], numbers[box["name"]]] for box in boxes]
    return np.array(rows, dtype=np.float64).reshape(-1, 6)


@pytest.mark.yolo
def test_the_boxes_are_those_of_the_vendors_predictor(model: Path, tmp_path: Path) -> None:
    predictor, detector = yolo.load(model), Detector(OnnxRuntime(model.read_bytes(), source="model.onnx"))
    paths = {name: save(_folder(tmp_path, name)) for name, save in KINDS.items()}
    for height, width in ((160, 160), (90, 320), (641, 111), (1, 50), (33, 32), (479, 640), (1000, 1500)):
        paths[f"{width} x {height}"] = _folder(tmp_path, f"{width} x {height}") / "image.png"
        scene(height, width).save(paths[f"{width} x {height}"])
    counts = []
    for number, (name, path) in enumerate(paths.items()):
        # How a picture is read and what is kept of its boxes do not depend on each other: two ways each, turn by turn.
        for wanted in WANTED if name == "640 x 479" else (WANTED + WANTED)[number % len(WANTED) :][:2]:
            theirs, found = vendors(predictor, path, wanted), ours(detector, path, wanted)
            assert found.shape == theirs.shape, (name, wanted)
            np.testing.assert_allclose(found[:, :4], theirs[:, :4], atol=0.0502, err_msg=f"{name} {wanted}")
            np.testing.assert_allclose(found[:, 4:], theirs[:, 4:], atol=0.000051, err_msg=f"{name} {wanted}")
            counts.append(len(found))
    assert max(counts) > 20
    assert len(set(counts)) > 5


def _folder(place: Path, name: str) -> Path:
    folder = place / name
    folder.mkdir()
    return folder


def test_a_letterbox_is_centred_on_grey() -> None:
    white = letterboxed(np.full((10, 20, 3), 255, np.uint8), size=32)[0]
    assert white.shape == (3, 32, 32)
    assert np.all(white[:, 8:24] == 1)
    assert np.all(white[:, :8] == np.float32(114) / np.float32(255))


def loaded(folder: Path, **how: Any) -> Detector:
    return Detector(OnnxRuntime(detectors.saved(folder / "model.onnx", **how).read_bytes(), source="model.onnx"))


def test_a_model_is_run_when_it_is_loaded(tmp_path: Path) -> None:
    detector = loaded(tmp_path)
    assert (detector.size, detector.names, detector.provider) == (64, {0: "a", 1: "b", 2: "c"}, "CPUExecutionProvider")


@pytest.mark.parametrize(
    ("how", "law"),
    [
        ({"scale": float("nan")}, "must have finite outputs, but some are NaN or infinite"),
        ({"scale": float("inf")}, "must have finite outputs, but some are NaN or infinite"),
        ({"rows": 8}, "must have an output of 7 x anchors, but has 8 x 64"),
        ({"batch": 2}, r"must have an input of 1 x 3 x height x width, but has \[2, 3, 64, 64\]"),
        ({"end2end": True}, "must have an output of boxes x 6, but has 7 x 64"),
    ],
)
def test_a_model_that_does_not_answer_like_a_detector_is_refused(tmp_path: Path, how: dict[str, Any], law: str) -> None:
    with pytest.raises(RegistryError, match=law):
        loaded(tmp_path, **how)
