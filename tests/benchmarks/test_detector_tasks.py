"""Detector trainings as tasks of the search benchmark, and the portfolio chosen from them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import detector_tasks, portfolio, virtual
from benchmarks.detector_tasks import SmoothTask
from benchmarks.ours import Ours

pytestmark = pytest.mark.slow  # Ultralytics is imported


def row(number: int, *, task: str, lift: float) -> dict[str, Any]:
    share = number / 9
    params = {
        "optimizer": "AdamW", "freeze": 0, "lr0": 1e-4 * 100**share, "momentum": 0.9, "warmup_epochs": 3.0,
        "mosaic": 1.0, "mixup": 0.0, "scale": 0.5, "translate": 0.1, "hsv_v": 0.4, "weight_decay": 5e-4, "box": 7.5,
        "cls": 0.5,
        "close_mosaic": 1,
    }  # fmt: skip
    top = 0.8 - (share - lift) ** 2
    curve = [round(top * (1 - 0.5**epoch), 4) for epoch in range(1, 7)]
    return {
        "task": task, "configuration": number, "seed": number, "params": params, "epochs": 6, "cause": "", "cpu": 12.0,
        "curve": {"val/map50_95": curve}, "data": {"fingerprint": task}, "model": "yolo11n.pt",
    }  # fmt: skip


@pytest.fixture
def tasks(tmp_path: Path) -> list[SmoothTask]:
    for name, lift in {"a": 0.5, "b": 0.6}.items():
        lines = [json.dumps(row(number, task=name, lift=lift)) + "\n" for number in range(10)]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    return [task for task in detector_tasks.tasks(tmp_path) if isinstance(task, SmoothTask)]


def test_between_rows_the_response_is_smooth(tasks: list[SmoothTask]) -> None:
    params = dict(detector_tasks.flat_params(row(5, task="a", lift=0.5)))
    finals = []
    for share in np.linspace(0.4, 0.6, 9):
        number = tasks[0].row({**params, "lr0_share": float(share)}, taken=set())
        finals.append(float(tasks[0].truth(number)[-1]))
    assert max(np.abs(np.diff(finals))) < 0.01
    assert tasks[0].response.explained > 0.8


def test_a_search_of_a_task_is_never_short_of_rows(
    tasks: list[SmoothTask],
) -> None:
    drawn = tasks[0].drawn(3)
    trace = virtual.run(Ours(drawn, seed=0), drawn, workers=2, budget=4 * drawn.full, startup=0.0)
    assert trace.trials > 10
    assert trace.best.max() <= max(truth.max() for truth in drawn.truths)
    assert drawn.finals.max() >= drawn.finals[:-1].max()
    assert not tasks[0].asked


def test_a_table_of_few_configurations_is_no_task() -> None:
    assert not detector_tasks.usable([row(number, task="a", lift=0.5) for number in range(7)])


def test_the_portfolio_of_a_task_is_chosen_on_other_data_sets(tasks: list[SmoothTask]) -> None:
    assert [other.name for other in portfolio.teachers(tasks[0], tasks)] == ["b"]
    assert portfolio.greedy(portfolio.regrets([tasks[1].scores]), 1) == [5]
