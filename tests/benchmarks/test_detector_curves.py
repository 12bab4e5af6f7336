"""The laws of the collector of detector curves that need no training."""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl.data import check
from automl.data.record import DataSet
from automl.study import Ending, Job, Measurement, yaml_io
from automl.trials import worker
from benchmarks import detector_curves, detector_plan, detector_rows
from benchmarks.detector_plan import Task, Training
from benchmarks.real_sides import BenchmarkError

VAL = "val/map50_95"
TASK = Task("bolts", "bolts", Path("/d/bolts/data.yaml"), Path("n.pt"), imgsz=128, epochs=12, batch=8)
DATA = DataSet(Path("/d/data.yaml"), {0: "a"}, {"train": (Path("a.jpg"),), "val": (), "test": ()}, {}, (), "f")


def a_row(
    configuration: int, curve: list[float], *, seed: int = 0, task: str = "bolts", **changes: Any
) -> dict[str, Any]:
    row = {"task": task, "configuration": configuration, "seed": seed, "params": {}, "curve": {VAL: curve},
           "seconds": [1.0] * len(curve), "cpu": 2.0, "test": {}, "cause": ""}  # fmt: skip
    return row | changes


def an_ending(_job: Job, report: Any) -> Ending:
    for epoch in (1, 2):
        report(Measurement(epoch, {VAL: 0.1 * epoch, "train/box_loss": 1.0, "lr/pg0": 0.1}, seconds=1.0))
    return Ending(final=Measurement(2, {"test/map50_95": 0.15, "class/a": 0.15}, seconds=2.0))


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that collects with a worker that trains nothing, and returns the jobs that it was given."""
    monkeypatch.setattr(detector_curves, "prepared", lambda _task, _place: DATA)
    monkeypatch.setattr(detector_curves, "digest", lambda _path: "0")
    monkeypatch.setattr(detector_curves, "params_of", lambda _task, number, _data: {"lr0": 0.1 * number})

    def collect(*tasks: Task, count: int = 3, hours: float = 1.0, run: Any = an_ending) -> list[Job]:
        jobs: list[Job] = []

        def watched(job: Job, report: Any) -> Ending:
            jobs.append(job)
            return run(job, report)  # type: ignore[no-any-return]

        monkeypatch.setattr(worker, "run", watched)
        args = argparse.Namespace(out=tmp_path / "out", device="cpu", hours=hours)
        place = tmp_path / f"work{len(list(tmp_path.iterdir()))}"
        place.mkdir()
        detector_curves.Collector(args, place).run(tasks, count)
        return jobs

    return collect


def test_the_configurations_are_fixed_and_half_of_them_near_the_default() -> None:
    found = detector_plan.points()
    assert found == detector_plan.points()
    assert len(found) == detector_plan.CONFIGURATIONS - 1
    assert found[0]["optimizer"] == "SGD"
    for number, values in enumerate(found):
        low, high, default = detector_plan.RATES[values["optimizer"]]
        assert low <= values["lr0"] <= high
        if number % 2:
            assert abs(np.log(values["lr0"] / default)) <= np.log(high / low) * detector_plan.NEAR / 2 + 0.01
            assert abs(values["scale"] - 0.5) <= 0.9 * detector_plan.NEAR / 2 + 1e-4
            assert values["mosaic"] >= 1 - detector_plan.NEAR / 2


def test_both_halves_of_each_range_are_covered_far_from_the_default() -> None:
    far = detector_plan.points()[::2]
    for name, (low, high, _) in detector_plan.RANGES.items():
        assert sum(values[name] <= (low + high) / 2 for values in far) == len(far) / 2
    assert set(Counter(values["optimizer"] for values in far)) == set(detector_plan.OPTIMIZERS)


def test_the_default_comes_first_and_with_four_further_seeds_early() -> None:
    found = detector_plan.trainings()
    assert found[0] == Training(0, 0)
    assert [training.seed for training in found if training.configuration == 0] == [0, 1, 2, 3, 4]
    assert {training.configuration for training in found} == set(range(detector_plan.CONFIGURATIONS))
    assert len(set(found)) == len(found) == detector_plan.CONFIGURATIONS + 4
    assert len(detector_plan.trainings(1)) == 5


@pytest.mark.yolo
def test_the_default_is_what_a_plain_training_resolves_to() -> None:
    params = detector_plan.params_of(TASK, 0, DATA)
    assert (params["optimizer"], params["lr0"], params["momentum"]) == ("AdamW", 0.002, 0.9)
    assert (params["close_mosaic"], params["mosaic"], params["warmup_epochs"]) == (10, 1.0, 3.0)
    assert set(params) == {*detector_plan.NAMES, "close_mosaic", "warmup_bias_lr"} - {"closed"}


def test_a_configuration_means_the_same_on_each_task_but_freezes_no_random_weights() -> None:
    frozen = next(n for n, values in enumerate(detector_plan.points(), start=1) if values["freeze"])
    micro = Task("micro-bolts", "bolts", TASK.source, detector_plan.MICRO, imgsz=128, epochs=20, batch=8)
    tuned, scratch = (detector_plan.params_of(task, frozen, DATA) for task in (TASK, micro))
    assert tuned["freeze"] in {4, 11, 22}
    assert scratch["freeze"] == 0
    differing = {name for name in tuned if tuned[name] != scratch[name]}
    assert differing <= {"freeze", "close_mosaic"}


def test_tasks_are_the_data_sets_five_variants_and_two_from_scratch() -> None:
    paths = [Path("/d/bolts/data.yaml"), Path("/d/other/data.yaml")]
    found = detector_plan.tasks_of(paths, Path("n.pt"), gpu=False)
    assert [task.name for task in found] == [
        "bolts", "other", "sample", "sample-few", "sample-rare", "sample-small", "sample-noisy", "micro-bolts",
        "micro-sample",
    ]  # fmt: skip
    assert [task.scratch for task in found] == [False] * 7 + [True] * 2
    assert [task.epochs for task in found] == [12] * 7 + [20] * 2
    larger = detector_plan.tasks_of(paths, Path("n.pt"), gpu=True)
    assert (larger[0].name, larger[0].imgsz, larger[0].epochs) == ("bolts@320px", 320, 30)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(detector_plan.VARIANTS))
def test_a_variant_of_the_sample_is_a_sound_data_set_of_its_own(name: str, tmp_path: Path) -> None:
    data = detector_plan.prepared(Task(name, name, None, Path("n.pt"), imgsz=128, epochs=12, batch=8), tmp_path)
    again = check.check(data.source, yaml_io.read_yaml(data.source), splits=("train", "val", "test"))
    assert data.fingerprint == again.fingerprint
    assert all(data.boxes["train"][kind] > 0 for kind in range(3))
    assert not any(path.is_symlink() for images in data.images.values() for path in images)


def test_what_has_a_row_is_not_trained_again(collected: Any, tmp_path: Path) -> None:
    assert len(collected(TASK, count=1)) == 5
    jobs = collected(TASK)
    assert [(job.number, job.seed) for job in jobs] == [(1, 1), (2, 2)]
    assert not collected(TASK)
    rows = detector_rows.read_rows(tmp_path / "out" / "bolts.jsonl")
    assert rows[0]["curve"] == {VAL: [0.1, 0.2], "train/box_loss": [1.0, 1.0]}
    assert rows[0]["test"] == {"test/map50_95": 0.15}
    assert {"machine", "commit", "versions", "date"} <= set(rows[0])


def test_tasks_take_turns_within_each_configuration(collected: Any) -> None:
    other = Task("other", "other", TASK.source, TASK.model, imgsz=128, epochs=12, batch=8)
    jobs = collected(TASK, other, count=2)
    assert [job.folder.name for job in jobs][:4] == ["bolts-0-0", "other-0-0", "bolts-1-1", "other-1-1"]


def test_a_training_that_another_process_has_is_left_to_it(collected: Any, tmp_path: Path) -> None:
    with detector_rows.claimed(tmp_path / "out", "bolts", Training(1, 1)) as mine:
        assert mine
        jobs = collected(TASK)
    assert Training(1, 1) not in [Training(job.number, job.seed) for job in jobs]
    assert [job.number for job in collected(TASK)] == [1]


def test_no_training_starts_that_would_end_too_late(collected: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(collected(TASK, count=1)) == 5
    assert not collected(TASK, hours=1 / 3600)
    assert "the time is over" in capsys.readouterr().out


def test_params_that_fail_have_a_row_and_a_crash_has_none(collected: Any, tmp_path: Path) -> None:
    def run(job: Job, report: Any) -> Ending:
        if job.number == 0:
            return an_ending(job, report)
        return Ending(cause="loss is not finite") if job.number == 1 else Ending(cause="OSError", again=True)

    collected(TASK, run=run)
    rows = detector_rows.read_rows(tmp_path / "out" / "bolts.jsonl")
    assert {row["configuration"]: row["cause"] for row in rows} == {0: "", 1: "loss is not finite"}
    assert [job.number for job in collected(TASK)] == [2]


def test_a_task_whose_default_fails_stops_the_collection(collected: Any) -> None:
    with pytest.raises(BenchmarkError, match="the default must be trainable, but no weights"):
        collected(TASK, run=lambda _job, _report: Ending(cause="no weights"))


def test_a_table_takes_no_rows_of_another_kind(collected: Any) -> None:
    collected(TASK, count=1)
    longer = Task("bolts", "bolts", TASK.source, TASK.model, imgsz=128, epochs=20, batch=8)
    with pytest.raises(BenchmarkError, match="epochs: 12, now 20; choose another --out"):
        collected(longer, count=2)


def test_a_half_line_at_the_end_is_dropped_and_a_damaged_one_before_it_is_told(tmp_path: Path) -> None:
    detector_rows.add_row(tmp_path, a_row(0, [0.1]))
    path = tmp_path / "bolts.jsonl"
    with path.open("a") as file:
        file.write('{"task": "bolts", "conf')
    assert [row["configuration"] for row in detector_rows.read_rows(path)] == [0]
    detector_rows.add_row(tmp_path, a_row(1, [0.2]))
    assert [json.loads(line)["configuration"] for line in path.read_text().splitlines()] == [0, 1]
    path.write_text("{\n" + path.read_text())
    with pytest.raises(BenchmarkError, match="must hold a JSON object in each line"):
        detector_rows.read_rows(path)


def test_the_summary_tells_ranks_after_early_epochs_and_the_noise() -> None:
    rows = [a_row(n, [0.5 - 0.1 * n, 0.5 - 0.1 * n, 0.6 + 0.01 * n, 0.6, 0.6, 0.6, 0.6 + 0.01 * n]) for n in range(5)]
    rows += [a_row(0, [0.1, 0.1, 0.64], seed=1), a_row(9, [0.9], cause="loss is not finite")]
    found = detector_rows.summary({"bolts": rows, "few": [a_row(0, [0.1], task="few")]})
    assert (found["tasks"], found["rows"]) == (2, 8)
    assert found["rank_correlation"] == {"1": -1.0, "2": -1.0, "3": 1.0, "6": 1.0}
    assert found["noise"] == pytest.approx(0.0283, abs=1e-4)


def test_the_summary_of_nothing_is_no_number() -> None:
    found = detector_rows.summary({})
    assert found == {"tasks": 0, "rows": 0, "rank_correlation": dict.fromkeys("1236"), "noise": None}


def test_a_mistake_on_the_command_line_is_told_with_its_remedy(tmp_path: Path) -> None:
    for folder in ("sample", "bolts"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "data.yaml").touch()
    weights = tmp_path / "n.pt"
    weights.touch()
    for words, message in [
        (["--data", str(tmp_path / "none"), "--weights", str(weights)], "there is no .*none"),
        (["--data", str(tmp_path / "bolts")], "--weights: must name the weights"),
        (["--data", str(tmp_path / "sample"), "--weights", str(weights)], "must have different names"),
        (["--data", str(tmp_path / "bolts"), "--tasks", "nuts"], "must be among .* but got .*nuts"),
    ]:
        with pytest.raises(BenchmarkError, match=message):
            detector_curves.wanted_tasks(detector_curves.parsed(words))
    given = ["--data", str(tmp_path / "bolts"), "--tasks", "micro-bolts", "micro-sample"]
    assert len(detector_curves.wanted_tasks(detector_curves.parsed(given))) == 2
