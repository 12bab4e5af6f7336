"""A training of two processes: rank 0 alone writes, and what it writes is of the whole validation set."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from automl.data import check, sample, staging
from automl.pipeline.board import board_of
from automl.storage import curves_file, epoch_details
from automl.storage.epoch_details import EpochDetails
from automl.study import Ending, Job, Measurement, Trial
from automl.study.yaml_io import read_yaml
from automl.tracking.tensorboard_writer import Board
from automl.trainers import yolo
from automl.trainers.yolo import state_file
from automl.trainers.yolo.pictures import EDGE
from tests import gloo_training
from tests.builders import spec_of
from tests.conftest import job_at
from tests.pipeline.test_board import DATA
from tests.tracking.test_event_budget import steps_of

pytestmark = [pytest.mark.yolo, pytest.mark.slow]
EPOCHS, RANKS = 5, 2


@dataclass
class Trained:
    """A training of two ranks, and what lay in its folder before the driver wrote its event file."""

    job: Job
    scratch: Path
    output: str
    pictures: dict[int, EpochDetails]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("ranks")
    source = sample.draw(folder / "drawn", splits={"train": 120, "val": 12})
    data = staging.stage(check.check(source, read_yaml(source), splits=("train", "val")), folder / "staged")
    job = job_at(folder / "job", data, epochs=EPOCHS, optimizer="AdamW", lr0=0.004, mosaic=0.0)
    job = replace(job, pictures_every=1, histograms=True)
    (folder / "scratch" / "weights").mkdir(parents=True)
    job.folder.mkdir()
    order = folder / "job.json"
    order.write_text(json.dumps(job.to_dict()))
    path = os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(RANKS),
         str(Path(gloo_training.__file__)), str(order), str(folder / "scratch")],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    pictures = {epoch: EpochDetails.load(path) for epoch, path in epoch_details.picture_files(job.folder)}
    return Trained(job, folder / "scratch", done.stdout, pictures)


def boxes_of(job: Job, split: str) -> Counter[str]:
    """Return the number of boxes of each class in a split of staged data."""
    raw = read_yaml(Path(job.data))
    lines = [
        line
        for path in (Path(job.data).parent / "labels" / split).rglob("*.txt")
        for line in path.read_text().split("\n")
    ]
    return Counter(raw["names"][int(line.split()[0])] for line in lines if line)


def test_rank_0_alone_writes_each_epoch_once(trained: Trained) -> None:
    epochs = [*range(1, EPOCHS + 1)]
    writers = (trained.job.folder / "writers.txt").read_text().split("\n")
    assert writers[:-1] == [f"0 {epoch}" for epoch in epochs]
    assert [measurement.epoch for measurement in curves_file.read_curves(trained.job.folder)] == epochs
    assert [*epoch_details.read_details(trained.job.folder)] == epochs
    assert [*trained.pictures] == epochs
    assert trained.output.count(f"epoch 1 of {EPOCHS} begins") == 1
    assert state_file.load(trained.scratch / "state.pt")["epoch"] == EPOCHS


def test_per_class_values_are_of_the_whole_validation_set(trained: Trained) -> None:
    job, last = trained.job, epoch_details.read_details(trained.job.folder)[EPOCHS]
    truths = boxes_of(job, "val")
    curves = trained.pictures[EPOCHS].pr_curves
    assert {name.removeprefix("val/pr/"): curve.truths for name, curve in curves.items()} == truths
    alone = yolo.validate(trained.scratch / "weights" / "last.pt", job, split="val", as_trained=True)
    for name in truths:
        assert last[f"class_ap50_95/{name}"] == pytest.approx(alone[f"class/{name}"], abs=0.01), (last, alone)
    assert max(alone[f"class/{name}"] for name in truths) > 0.01, "the comparison says something"


def test_pictures_show_images_of_both_ranks(trained: Trained) -> None:
    """Nine images in three rows and columns: rank 0 has six of the twelve."""
    sheet = cv2.imdecode(np.frombuffer(trained.pictures[EPOCHS].images["val/predictions"], np.uint8), cv2.IMREAD_COLOR)
    assert sheet is not None
    assert sheet.shape[:2] == (3 * EDGE, 3 * EDGE)


def test_its_driver_has_one_event_file_of_all_epochs(trained: Trained, tmp_path: Path) -> None:
    folder, epochs = trained.job.folder, [*range(1, EPOCHS + 1)]
    play(folder, board_of(tmp_path, spec_of(), DATA), curves_file.read_curves(folder))
    assert len([*folder.glob("events.out.tfevents.*")]) == 1
    for tag in ("val/map50_95", "class_ap50_95/hole", "time/images_per_second", "val/predictions"):
        assert steps_of(folder, tag) == epochs, tag


def play(folder: Path, board: Board, curves: Sequence[Measurement]) -> None:
    """Let a driver's writer see each epoch of a finished training."""
    board.on_start(Trial(0, {}, 0), folder)
    for count in range(1, len(curves) + 1):
        board.on_measurement(Trial(0, {}, 0, tuple(curves[:count])))
    board.on_end(Trial(0, {}, 0, tuple(curves)), Ending(final=curves[-1]))
    board.close()
