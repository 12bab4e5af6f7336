"""What a training of YOLO shows, and that showing it changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from automl.storage.epoch_details import EpochDetails
from automl.study import Job, Measurement
from automl.trainers import yolo
from tests.conftest import job_at

pytestmark = pytest.mark.yolo
CLASSES = {"hole", "scratch", "spot"}


@dataclass
class Shown:
    """A training of three epochs and all that it showed."""

    measurements: list[Measurement] = field(default_factory=list)
    details: list[EpochDetails] = field(default_factory=list)

    def on_epoch(self, measurement: Measurement, _weights: Path, _state: Path, details: EpochDetails) -> None:
        self.measurements.append(measurement)
        self.details.append(details)


def trained(job: Job, scratch: Path) -> Shown:
    shown = Shown()
    (scratch / "weights").mkdir(parents=True)
    yolo.train(job, scratch, state=None, on_epoch=shown.on_epoch)
    return shown


@pytest.fixture(scope="module")
def both(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Sequence[Shown]:
    """The same job with all that can be shown, and with nothing."""
    folder = tmp_path_factory.mktemp("observer")
    job = replace(job_at(folder / "job", data), epochs=3)
    job = replace(job, settings={**job.settings, "close_mosaic": 1, "lr0": 0.01})
    return trained(replace(job, pictures_every=1, histograms=True), folder / "with"), trained(job, folder / "without")


def test_pictures_change_no_number(both: Sequence[Shown]) -> None:
    pictured, plain = both

    assert [m.metrics for m in pictured.measurements] == [m.metrics for m in plain.measurements]


def test_scalars_of_a_validated_epoch(both: Sequence[Shown]) -> None:
    last = both[0].details[-1].scalars

    assert {f"class_ap50_95/{name}" for name in CLASSES} <= last.keys()
    assert {f"class_recall/{name}" for name in CLASSES} <= last.keys()
    assert {"val/best_f1", "val/best_f1_threshold", "train/gradient_norm", "time/images_per_second"} <= last.keys()
    assert 0 <= last["time/data_wait_share"] <= 1
    assert last["train/gradient_norm"] > 0
    mean = np.mean([last[f"class_ap50_95/{name}"] for name in CLASSES])
    assert mean == pytest.approx(both[0].measurements[-1].metrics["val/map50_95"])


def test_augmented_inputs_change_from_epoch_to_epoch(both: Sequence[Shown]) -> None:
    assert both[0].details[1].scalars["input/unchanged_share"] == 0


def test_pictures_of_an_epoch(both: Sequence[Shown]) -> None:
    first, second, last = both[0].details

    assert first.images.keys() == {"input/augmented", "val/predictions", "val/confusion_matrix"}
    assert "input/augmented" not in second.images
    assert "input/augmented" in last.images, "mosaic closes before the last epoch"
    assert last.pr_curves.keys() == {f"val/pr/{name}" for name in CLASSES}
    assert last.histograms.keys() == {
        f"{k}/{g}" for k in ("weights", "gradients") for g in ("backbone", "neck", "head")
    }
    for image in last.images.values():
        assert cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR) is not None


def test_without_an_interval_there_are_no_pictures(both: Sequence[Shown]) -> None:
    assert not any(details.pictured for details in both[1].details)


def test_recall_by_size_counts_all_boxes(both: Sequence[Shown]) -> None:
    last = both[0].details[-1].scalars
    sizes = [name for name in last if name.startswith("val/recall_")]

    assert sizes
    assert all(0 <= last[name] <= 1 for name in sizes)
