"""Bitwise comparison of short trainings: what its result file says, and one comparison by real trainings."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from automl.study import Params
from automl.study.errors import TrialError
from automl.trainers import Comparison, Probe
from automl.trainers.yolo import comparison
from tests.conftest import job_at


def results(folder: Path, *found: Comparison) -> list[Comparison]:
    path = folder / comparison.RESULT
    path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in found), encoding="utf-8")
    return comparison._results(path, "ValueError: no")


def test_the_first_line_must_be_of_two_equal_trainings(tmp_path: Path) -> None:
    live = Comparison("weights", 2)

    assert results(tmp_path, Comparison("", 8), live) == [live]
    with pytest.raises(TrialError, match="two trainings with the same params and seed differ"):
        results(tmp_path, live, live)
    with pytest.raises(TrialError, match="ValueError: no"):
        results(tmp_path)


def test_epochs_are_those_that_schedules_need_and_no_more_than_the_job_has(tmp_path: Path, data: Path) -> None:
    job = replace(job_at(tmp_path, data), epochs=100)
    long = Probe({"close_mosaic": 4, "warmup_epochs": 6.5}, ())

    assert comparison._small(job, [Probe({"close_mosaic": 4}, ()), long]).epochs == 9
    assert comparison._small(replace(job, epochs=3), [long]).epochs == 3


@pytest.mark.yolo
def test_a_gain_and_a_flip_are_live_and_what_auto_sets_is_dead(tmp_path: Path, data: Path) -> None:
    base: Params = {
        "optimizer": "auto",
        "lr0": 0.01,
        "warmup_momentum": 0.8,
        "box": 7.5,
        "fliplr": 0.0,
        "close_mosaic": 0,
    }
    values: Params = {"lr0": 0.001, "warmup_momentum": 0.5, "box": 15.0, "fliplr": 1.0, "no_such": 1.0}
    job = replace(job_at(tmp_path, data), epochs=2)
    probes = [Probe(base, ({**base, name: value},)) for name, value in values.items()]

    found = comparison.compare(job, probes, images=24, seconds=300)

    assert [one.differs for one in found.comparisons] == ["", "", "weights", "input", ""]
    assert found.comparisons[0].batches == found.comparisons[1].batches > found.comparisons[2].batches
    assert found.comparisons[-1].problem
