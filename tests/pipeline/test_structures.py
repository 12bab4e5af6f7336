"""Structures stage: each is measured once, those that break a constraint are out, a study without any is refused."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from automl import cluster
from automl.pipeline import structures
from automl.storage.journal import Journal
from automl.study import Footprint, Job, Latency
from automl.study.errors import StudyError
from automl.tracking import structure_table
from automl.trainers import registration
from tests import tiny_trainer
from tests.builders import METRIC, SPEC, completed, spec_of

SLOTS = cluster.Slots(gpus=0, cpus=1, concurrent=1)
SPACE = {**SPEC["space"], "imgsz": {"choices": [32, 64, 96], "default": 96}}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Take the image size as milliseconds, and return the sizes that were measured."""
    sizes: list[int] = []

    def call(_work: object, arguments: tuple[Any, ...], _slots: object) -> Mapping[str, Footprint]:
        job: Job = arguments[0]
        sizes.append(tiny_trainer.image_size(job))
        cost = Footprint(Latency(float(sizes[-1]), 0.0, 0.0, 0.0, "cpu"), 1.0)
        return dict.fromkeys(arguments[2], cost)

    monkeypatch.setenv(registration.CHOSEN, tiny_trainer.registered())
    monkeypatch.setattr(cluster, "call", call)
    return sizes


def session(folder: Path, *constraints: str, **changes: Any) -> Any:
    objective = {"metric": "map50_95", "constraints": list(constraints)} if constraints else "map50_95"
    spec = spec_of(objective=objective, space=SPACE, **changes)
    journal = Journal.create(folder, name="small", metric=METRIC)
    staged = folder / "data.yaml"
    return SimpleNamespace(
        spec=spec, folder=folder, journal=journal, staged=staged, baseline=None, allowed=(), portfolio=()
    )


def test_what_breaks_a_constraint_is_left_out_and_nothing_is_measured_twice(
    tmp_path: Path, measured: list[int]
) -> None:
    here = session(tmp_path, "latency_ms <= 64 on onnx", "size_mb <= 1 on onnx")
    assert structures.allowed(here, SLOTS) == ({"imgsz": 64}, {"imgsz": 32})
    assert structures.allowed(here, SLOTS) == ({"imgsz": 64}, {"imgsz": 32})
    assert measured == [32, 64, 96]


def test_without_constraints_nothing_is_measured(tmp_path: Path, measured: list[int]) -> None:
    assert structures.allowed(session(tmp_path), SLOTS) == ()
    assert measured == []


def test_a_study_of_which_every_structure_breaks_a_constraint_is_refused(tmp_path: Path, measured: list[int]) -> None:
    with pytest.raises(StudyError, match=r"(?s)objective.constraints: latency_ms <= 31 on onnx must hold .*"
                                         r"tiny.yaml at 32 px: latency_ms on onnx 32\n.*raise the limit"):  # fmt: skip
        structures.allowed(session(tmp_path, "latency_ms <= 31 on onnx"), SLOTS)
    assert len(measured) == 3


def test_the_table_has_the_front_of_completed_trials_and_what_was_not_tried(
    tmp_path: Path, measured: list[int]
) -> None:
    here = session(tmp_path, "latency_ms <= 64 on onnx")
    structures.allowed(here, SLOTS)
    trials = [
        completed(0, [0.1, 0.5], params={"imgsz": 64}),
        completed(1, [0.2, 0.4], params={"imgsz": 64}),
        completed(2, [0.3], params={"imgsz": 32}),
    ]
    assert structure_table.lines(here.spec, here.journal.notes(), trials) == [
        "structures, * on the Pareto front of map50_95 against latency_ms on onnx:",
        "  * tiny.yaml at 32 px: latency_ms on onnx 32; 1 trial, best map50_95 0.3000 at epoch 1 (trial 2)",
        "  * tiny.yaml at 64 px: latency_ms on onnx 64; 2 trials, best map50_95 0.5000 at epoch 2 (trial 0)",
        "    tiny.yaml at 96 px: latency_ms on onnx 96; not tried, breaks latency_ms <= 64 on onnx",
    ]
    assert measured == [32, 64, 96]
