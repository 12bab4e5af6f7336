"""Structures stage: each is measured once, those that break a constraint are out, a study without any is refused."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from automl import cluster
from automl.pipeline import shipping, structures
from automl.storage.journal import Journal
from automl.study import Footprint, Job, Latency
from automl.study.errors import StudyError
from automl.study.packing import Shares
from automl.tracking import structure_table
from automl.trainers import registration
from automl.trials import permitted
from tests import tiny_trainer
from tests.builders import METRIC, SPEC, completed, pruned, spec_of

SLOTS = cluster.Slots(gpus=0, cpus=1, concurrent=1)
SPACE = {**SPEC["space"], "imgsz": {"choices": [32, 64, 96], "default": 96}}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Take the image size as milliseconds, and return the sizes that were measured."""
    sizes: list[int] = []

    def call(_work: object, arguments: tuple[Any, ...], _slots: object, *, resource: str) -> Mapping[str, Footprint]:
        assert resource == ""
        job: Job = arguments[0]
        sizes.append(tiny_trainer.image_size(job))
        cost = Footprint(Latency(float(sizes[-1]), 0.0, 0.0, 0.0, "cpu"), 1.0)
        return dict.fromkeys(arguments[2], cost)

    monkeypatch.setenv(registration.CHOSEN, tiny_trainer.registered())
    monkeypatch.setattr(cluster, "call", call)
    return sizes


def session(folder: Path, *constraints: str, more: Mapping[str, Any] | None = None, **changes: Any) -> Any:
    objective = {"metric": "map50_95", "constraints": list(constraints), **(more or {})}
    spec = spec_of(objective=objective, space=SPACE, **changes)
    journal = Journal.create(folder, name="small", metric=METRIC)
    staged = folder / "data.yaml"
    return SimpleNamespace(
        spec=spec,
        folder=folder,
        journal=journal,
        staged=staged,
        baseline=None,
        allowed=(),
        costs=(),
        portfolio=(),
        shares=Shares(),
    )


def test_what_breaks_a_constraint_is_left_out_and_nothing_is_measured_twice(
    tmp_path: Path, measured: list[int]
) -> None:
    here = session(tmp_path, "latency_ms <= 64 on onnx", "size_mb <= 1 on onnx")
    assert structures.allowed(here, SLOTS) == (({"imgsz": 64}, {"imgsz": 32}), ())
    assert structures.allowed(here, SLOTS) == (({"imgsz": 64}, {"imgsz": 32}), ())
    assert measured == [32, 64, 96]


def test_without_constraints_nothing_is_measured(tmp_path: Path, measured: list[int]) -> None:
    assert structures.allowed(session(tmp_path), SLOTS) == ((), ())
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


def test_with_a_second_objective_the_cheapest_structure_within_the_tolerance_ships(
    tmp_path: Path, measured: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    here = session(tmp_path, more={"second": "latency_ms on onnx", "tolerance": 0.05})
    assert structures.allowed(here, SLOTS) == (({"imgsz": 96}, {"imgsz": 64}, {"imgsz": 32}), (96.0, 64.0, 32.0))
    trials = [
        completed(0, [0.1, 0.50], params={"imgsz": 96}),
        completed(1, [0.2, 0.46], params={"imgsz": 64}),
        completed(2, [0.3, 0.44], params={"imgsz": 32}),
        completed(3, [0.3, 0.47], params={"imgsz": 96}),
    ]
    shipping.decide(here.journal, here.spec, trials)
    said = (
        "ships: the cheapest within 0.05 of the best: tiny.yaml at 64 px, latency_ms on onnx 64, 0.4600 on val "
        "(trial 1); the best is tiny.yaml at 96 px, 96, 0.5000 (trial 0)"
    )
    assert said in caplog.messages
    assert structure_table.lines(here.spec, here.journal.notes(), trials)[-1] == said
    assert [row.ships for row in structure_table.rows(here.spec, here.journal.notes(), trials)] == [False, True, False]
    assert [trial.number for trial in shipping.fitting(here.journal, trials)] == [1]
    assert [trial.number for trial in shipping.with_baseline(here.journal, trials)] == [0, 1]
    assert measured == [32, 64, 96]


def test_without_a_second_objective_or_a_completed_trial_every_model_may_ship(
    tmp_path: Path, measured: list[int]
) -> None:
    trials = [pruned(0, [0.1], params={"imgsz": 96})]
    for name, more in (("a", None), ("b", {"second": "latency_ms on onnx"})):
        (tmp_path / name).mkdir()
        here = session(tmp_path / name, more=more)
        structures.allowed(here, SLOTS)
        shipping.decide(here.journal, here.spec, trials)
        assert shipping.fitting(here.journal, trials) == trials
    assert len(measured) == 3


def test_enqueued_params_must_hold_the_constraints(tmp_path: Path, measured: list[int]) -> None:
    here = session(tmp_path, "latency_ms <= 64 on onnx")
    check = partial(
        permitted.check_measured, journal=here.journal, constraints=here.spec.constraints, costs=here.spec.costs
    )
    check({"imgsz": 96, "lr0": 0.01})  # nothing is measured yet
    structures.allowed(here, SLOTS)
    check({"imgsz": 32, "lr0": 0.01})
    with pytest.raises(
        StudyError,
        match=r"params: latency_ms <= 64 on onnx must hold, but imgsz=96 breaks it; allowed: imgsz=32; imgsz=64",
    ):
        check({"imgsz": 96, "lr0": 0.01})
    assert measured == [32, 64, 96]
