"""The export is compared on pictures read as the training reads them."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from automl.study import Job
from automl.study.errors import ExportError
from automl.trainers import yolo
from tests.conftest import job_at

pytestmark = pytest.mark.yolo
SIZE = 64


def job_of(folder: Path, *, channels: int = 3) -> Job:
    (folder / "labels").mkdir(exist_ok=True)
    (folder / "data.yaml").write_text(f"path: {folder}\ntrain: images\nval: images\nnames: [a]\nchannels: {channels}\n")
    return replace(job_at(folder / "job", folder / "data.yaml"), settings={"imgsz": SIZE})


def trained_on(path: Path, channels: int) -> np.ndarray:
    """Return a picture as Ultralytics' data set gives it to a training without augmentation."""
    from ultralytics.cfg import get_cfg  # noqa: PLC0415
    from ultralytics.data.dataset import YOLODataset  # noqa: PLC0415

    dataset = YOLODataset(
        str(path.parent), data={"names": {0: "a"}, "channels": channels}, task="detect", augment=False, hyp=get_cfg(),
        imgsz=SIZE, rect=False,
    )  # fmt: skip
    return np.asarray(dataset[0]["img"].numpy(), dtype=np.float32) / 255


def picture(*, depth: type = np.uint8) -> np.ndarray:
    scale = 257 if depth is np.uint16 else 1
    return (np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)) * scale).astype(depth)


def written(path: Path, kind: str) -> Path:
    """Write a picture of a kind that simple readers get wrong."""
    if kind == "turned":
        exif = Image.Exif()
        exif[274] = 6
        Image.fromarray(picture()).save(path.with_suffix(".jpg"), exif=exif)
        return path.with_suffix(".jpg")
    if kind == "avif":
        Image.fromarray(picture()).save(path.with_suffix(".avif"))
        return path.with_suffix(".avif")
    deep = picture(depth=np.uint16 if kind == "deep" else np.uint8)
    cv2.imwrite(str(path.with_suffix(".png")), deep[..., 0] if kind == "grey" else deep)
    return path.with_suffix(".png")


@pytest.mark.parametrize(("kind", "channels"), [("turned", 3), ("deep", 3), ("grey", 3), ("grey", 1), ("avif", 3)])
def test_a_picture_is_compared_as_it_is_trained_on(tmp_path: Path, kind: str, channels: int) -> None:
    (tmp_path / "images").mkdir()
    path = written(tmp_path / "images" / "a", kind)
    found = yolo.letterboxed([path], job_of(tmp_path, channels=channels))
    assert found.shape == (1, channels, SIZE, SIZE)
    assert found[0] == pytest.approx(trained_on(path, channels))


def test_what_training_cannot_read_is_left_out(tmp_path: Path) -> None:
    good, bad, gone = written(tmp_path / "a", "plain"), tmp_path / "b.jpg", tmp_path / "c.jpg"
    bad.write_text("<html>no picture</html>")
    assert len(yolo.letterboxed([bad, good, gone], job_of(tmp_path))) == 1
    with pytest.raises(ExportError, match=r"must contain a readable image, but none of 2 is"):
        yolo.letterboxed([bad, gone], job_of(tmp_path))
