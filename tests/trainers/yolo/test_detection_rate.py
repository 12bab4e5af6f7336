"""The detection rate as metric of a YOLO training: reported with its counts, and equal to that of its weights."""

from dataclasses import replace
from pathlib import Path

import pytest

from automl.study import Job, Measurement
from automl.study.objective import COUNTS, RateGoal
from automl.trainers import yolo
from automl.trials import worker
from tests.conftest import job_at


@pytest.mark.yolo
@pytest.mark.parametrize("goal", [RateGoal(0.95, "box"), RateGoal(0.5)], ids=["box", "image"])
def test_a_training_reports_the_rate_that_its_weights_have(goal: RateGoal, tmp_path: Path, data: Path) -> None:
    tag = f"val/{goal.name}"
    job: Job = replace(job_at(tmp_path / "job", data), epochs=2, metric=tag)
    seen: list[Measurement] = []
    ending = worker.run(job, seen.append)
    assert ending.final, ending.cause
    assert all(0 <= measurement.metrics[tag] <= 1 for measurement in seen)
    names = (tag, *(f"val/{name}" for name in COUNTS))
    judged = yolo.validate(job.folder / "best.pt", replace(job, split="val"), split="val", as_trained=True)
    assert [ending.final.metrics[name] for name in names] == [judged[name] for name in names]
    assert judged["val/defects"] > 0
