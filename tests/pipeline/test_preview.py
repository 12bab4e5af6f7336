"""The text of `automl check`, line by line, from a record that needs no data set and no trainer."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl.data.record import DataSet
from automl.data.report.records import DataReport, Reason
from automl.hpo.warm_start import Transfer
from automl.pipeline import preview as preview_module
from automl.pipeline.disk_forecast import DiskForecast
from automl.pipeline.preview import Preview, Split, image_size
from automl.pipeline.time_forecast import TimeForecast
from automl.release import openvino_models
from automl.study import Evidence, Params
from automl.study.baseline import Baseline
from automl.study.ladder import Cost
from automl.study.plain_values import plain
from automl.trainers import Timing
from tests.builders import spec_of

MB = 10**6
AUTO: Params = {"optimizer": "AdamW", "lr0": 0.00143, "momentum": 0.9, "warmup_bias_lr": 0.0, "mosaic": 1.0}
DISK = DiskForecast(
    storage=Path("/storage"), alive=16, counted=True, pausing=True, trial=7 * MB, wanted=113 * MB, running=113 * MB,
    kept=20 * MB, free=5000 * MB,
)  # fmt: skip
TIME = TimeForecast(
    search_seconds=47, whole_search_seconds=47, confirm_seconds=(60, 120), confirm_expected=90,
    least_seconds=40, most_seconds=300, places=2,
    copies=2, device="cpu",
    timing=Timing(start=5.0, train_batch=0.5, val_batch=1.0, epoch=0.25, batch=8, val_images=16),
)  # fmt: skip
PREVIEW = Preview(
    study="boards",
    model="yolo11n.pt",
    trials=16,
    splits={"train": Split(160, {"hole": 135, "spot": 0}), "val": Split(20, {"hole": 4, "spot": 9})},
    data_warnings=(),
    baseline=Baseline({"optimizer": "auto"}, inside=True, settings=AUTO),
    default_params={},
    warm_start=(),
    rungs=(6, 18),
    max_epochs=100,
    reduction_factor=3,
    ladder_warnings=(),
    cost=Cost(trials=16, fewest=190, most=1600, expected=444, confirming=600),
    confirm_epochs=(600, 600),
    confirm_expected=600,
    hours=None,
    gpu_hours=None,
    disk=DISK,
    time=TIME,
)
TEXT = """\
study boards: 16 trials of yolo11n.pt
data train: 160 images; boxes: hole 135, spot 0
data val: 20 images; boxes: hole 4, spot 9
baseline (trial 0): a plain yolo train, whose optimizer=auto resolves to optimizer=AdamW lr0=0.00143 momentum=0.9 \
warmup_bias_lr=0; a point of the space
ladder: trials are compared at epochs [6, 18] of 100
        and one in 3 advances
cost: 190 to 1600 epochs of training, about 444
      and 600 to confirm the winner against the baseline
limits: only the number of trials
disk: at most 113 MB while it runs (16 unended trials x 7.0 MB; paused trials keep their state), 20 MB kept at \
the end; 5.0 GB free in /storage
time: about 1m47s to 2m47s on this machine (search 47s, confirm 1m00s to 2m00s; export not included): \
2 trials at a time, start 5 s, 0.5 s a training batch of 8, 1 s a validation batch of 16, measured on cpu, \
2 at a time
plan: at least 40s, expected 2m17s, at most 5m00s of search and confirmation"""
FULL = replace(
    PREVIEW,
    data_warnings=("spot: has no box in train",),
    default_params={"lr0": 0.02},
    warm_start=(Transfer("a", "runs/a", 0.5, (Evidence({"lr0": 0.1}, 1.0),), {"lr0": 2}),),
    ladder_warnings=("ladder.min_epochs: should be more",),
    space_warnings=("space: has 3 different params for 40 trials",),
    confirm_epochs=(600, 2000),
    confirm_expected=1100,
    hours=1.0,
    gpu_hours=2.5,
    disk=replace(DISK, quota_gb=0.1, running=100 * MB, free=50 * MB),
    time=TimeForecast("StudyError: no room"),
)
MORE = """\
data warning: spot: has no box in train
default params (trial 1): lr0=0.02
warm start from runs/a (study a): 1 of 3 trials, similarity of data 0.50; outside this space: lr0 2
space warning: space: has 3 different params for 40 trials
ladder warning: ladder.min_epochs: should be more
      and 600 to 2000, about 1100, to confirm the winner against the baseline
limits: 1 hours, 2.5 GPU-hours
disk: at most 100 MB while it runs (16 unended trials x 7.0 MB; paused trials keep their state), 20 MB kept at \
the end; 50 MB free in /storage
      retention.quota_gb 0.1 is less than that: the worst paused trials may be ended
disk warning: /storage has 50 MB free, but the study may use 100 MB; free disk space, or set retention.quota_gb, which \
ends the worst paused trials first
time: could not be measured on this machine: StudyError: no room"""


def test_the_text_is_this() -> None:
    assert str(PREVIEW) == TEXT


def test_what_some_studies_have_is_told_in_these_lines() -> None:
    known = TEXT.splitlines()
    assert [line for line in FULL.lines() if line not in known] == MORE.splitlines()


def test_all_warnings_are_in_one_list() -> None:
    assert PREVIEW.warnings == ()
    assert [warning.partition(":")[0].partition(" ")[0] for warning in FULL.warnings] == [
        "spot", "space", "ladder.min_epochs", "/storage",
    ]  # fmt: skip


def test_the_record_is_json() -> None:
    found = json.loads(json.dumps(plain(FULL), allow_nan=False))
    assert found["warm_start"][0]["trials"] == [{"params": {"lr0": 0.1}, "score": 1.0}]
    assert found["disk"]["storage"] == "/storage"


def test_the_grade_of_the_data_and_the_page_are_told_after_the_warnings() -> None:
    report = DataReport(Path("d"), "", 640, "B", (Reason("B", "x", "why"),), {}, (), {}, (), {}, (), ())
    lines = list(replace(PREVIEW, data_report=report, page=Path("p.html")).lines())
    assert lines[3:6] == ["data grade: B (1 reason)", "  B: why", "data report: p.html"]


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({}, 640),
        ({"train": {"imgsz": 320}}, 320),
        ({"space": {"imgsz": {"choices": [480, 800], "default": 800}}}, 800),
    ],
)
def test_the_image_size_is_the_fixed_one_or_the_default_of_the_searched(changes: dict[str, Any], size: int) -> None:
    spec = spec_of(**changes)
    assert image_size(spec.space.get("imgsz"), spec.train) == size


def test_a_contract_that_the_images_cannot_show_is_told_before_anything_runs() -> None:
    images = tuple(Path(f"{number}.jpg") for number in range(100))
    texts = {image: "0 0.5 0.5 0.1 0.1" if index < 80 else "" for index, image in enumerate(images)}
    data = DataSet(Path("data.yaml"), {0: "bolt"}, {"test": images}, {"test": {0: 80}}, (), "f", texts=texts)

    def warnings(**agreed: Any) -> list[str]:
        return list(preview_module._contract_warnings(spec_of(contract=agreed).agreed, data, "test"))

    assert warnings(max_miss_rate=0.005, max_overkill_rate=0.1) == [
        "contract.max_miss_rate: 0.50% with 95% confidence needs at least 598 images with boxes in test, but it has "
        "80: the contract cannot be shown to hold; add images, or raise it",
        "contract.max_overkill_rate: 10.00% with 95% confidence needs at least 29 images without boxes in test, but it "
        "has 20: the contract cannot be shown to hold; add images, or raise it",
    ]
    assert warnings(max_miss_rate=0.05, max_overkill_rate=0.2) == []
    assert [line[:60] for line in warnings(max_miss_rate=0.03, max_overkill_rate=0.01, per="box")] == [
        "contract.max_miss_rate: 3.00% with 95% confidence needs at l"
    ]
    assert list(preview_module._contract_warnings(None, data, "test")) == []


def test_a_target_whose_packages_are_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(targets={"cpu": {"format": "openvino"}})
    assert list(preview_module._target_warnings(list(spec.targets))) == [] or openvino_models.missing()
    monkeypatch.setattr(openvino_models, "missing", lambda: ["nncf"])
    (warning,) = preview_module._target_warnings(list(spec.targets))
    assert warning.startswith("targets: cpu: nncf must be installed where the study runs")
