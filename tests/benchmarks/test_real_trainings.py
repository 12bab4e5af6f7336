"""The laws of the benchmark of real trainings that need no training."""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from automl.study.spec import StudySpec
from benchmarks import real_comparison, real_sides, real_trainings
from benchmarks.real_sides import OURS, PLAIN, STOCK, STOCK_DEFAULTS, BenchmarkError, Meter, Order

BURNS = (
    "import sys, time\n"
    "while time.process_time() < 0.3: pass\n"
    "print('burnt', flush=True)\n"
    "sys.stdin.readline()\n"
)  # fmt: skip
ORPHAN = (
    "import os, pathlib, time\n"
    "while time.process_time() < 0.3: pass\n"
    "pathlib.Path(os.environ['BURNT']).touch()\n"
    "time.sleep(60)\n"
)  # fmt: skip
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURNS!r}])\nsys.stdin.readline()"


def an_order(folder: Path, **changes: Any) -> Order:
    order: dict[str, Any] = {
        "side": OURS, "dataset": "bolts", "seed": 3, "folder": str(folder), "data": "/d/data.yaml",
        "train": {**real_sides.TRAIN, "imgsz": 160, "batch": 4}, "epochs": 12, "min_epochs": 4, "trials": 9,
        "concurrent": 2, "cpu_seconds": 60.0,
    }  # fmt: skip
    return Order(**{**order, **changes})


def a_record(side: str, seed: int, *steps: tuple[float, float]) -> dict[str, Any]:
    points = [[cpu, cpu / 2, "0000_a", epoch, value] for epoch, (cpu, value) in enumerate(steps, start=1)]
    return {"side": side, "seed": seed, "points": points, "test": steps[-1][1] / 2}


def options(*words: str) -> argparse.Namespace:
    return real_trainings.parsed(["--data", "/nowhere", *words])


def test_the_ratio_is_what_stock_spent_over_what_ours_spent_to_get_there() -> None:
    stock = [a_record(STOCK, 0, (10, 0.1), (60, 0.3), (90, 0.2)), a_record(STOCK, 1, (10, 0.2), (80, 0.5))]
    ours = [a_record(OURS, 0, (10, 0.3), (90, 0.4)), a_record(OURS, 1, (20, 0.5), (90, 0.1))]
    found = real_comparison.compared([*stock, *ours])
    assert found["ratio"] == 4.0, "stock's mean is 0.4 from 80 CPU-seconds on, ours from 20"
    assert found["seed_ratios"] == {0: 6.0, 1: 4.0}
    assert (found["reached"], found["seeds_reached"]) == (True, [0, 1])
    assert found["epochs"] == 2.0, "stock has its last gain at the second epoch of a seed, ours at the first"
    assert (found["val"][STOCK], found["val"][OURS]) == (0.4, 0.45)
    assert found["low"] <= found["ratio"] <= found["high"]


def test_the_scores_on_test_name_each_side_and_a_plain_training() -> None:
    found = real_comparison.compared([a_record(side, 0, (10, 0.4)) for side in (STOCK, OURS, PLAIN)])
    assert found["test"] == {"stock_tune": 0.2, "ours": 0.2, "yolo_train": 0.2}


def test_where_ours_never_gets_there_the_ratio_is_a_bound_and_says_so() -> None:
    stock, ours = a_record(STOCK, 0, (50, 0.5)), a_record(OURS, 0, (10, 0.3), (100, 0.4))
    found = real_comparison.compared([stock, ours])
    assert (found["ratio"], found["reached"], found["seeds_reached"]) == (0.5, False, [])


def test_a_single_seed_has_no_interval() -> None:
    found = real_comparison.compared([a_record(STOCK, 0, (50, 0.5)), a_record(OURS, 0, (10, 0.6))])
    assert (found["ratio"], found["low"], found["high"]) == (5.0, None, None)


def test_a_stock_that_learned_nothing_is_no_yardstick() -> None:
    with pytest.raises(BenchmarkError, match="stock must have learned something"):
        real_comparison.compared([a_record(STOCK, 0, (50, 0.0)), a_record(OURS, 0, (10, 0.6))])


def test_the_side_that_goes_first_changes_with_the_seed(tmp_path: Path) -> None:
    asked = list(real_trainings.orders(options("--seeds", "2", "--datasets", "bccd"), tmp_path))
    assert [(order.seed, order.side) for order in asked] == [(0, STOCK), (0, OURS), (1, OURS), (1, STOCK)]
    assert len({order.folder for order in asked}) == len({order.data for order in asked}) == 4


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], (3, 8.0)), (["--quick"], (1, 3.0)), (["--quick", "--seeds", "2", "--cpu-minutes", "1.5"], (2, 1.5))],
)
def test_quick_is_small_where_nothing_else_was_said(words: Sequence[str], expected: tuple[int, float]) -> None:
    args = options(*words)
    assert (args.seeds, args.cpu_minutes) == expected


def test_our_spec_is_one_that_the_program_takes(tmp_path: Path) -> None:
    order = an_order(tmp_path, settings=("gates.confidence=0.8",))
    words = real_sides.command(order)
    spec = StudySpec(**real_sides.described(order))
    assert (spec.ladder.rungs, spec.seed, spec.resources.concurrent) == ((4,), 3, 2)
    assert words[-2:] == ["--set", "gates.confidence=0.8"]
    assert (tmp_path / "spec.yaml").is_file()


def test_pretrained_weights_are_searched_from_the_true_default_and_kept_apart(tmp_path: Path) -> None:
    args = options("--weights", "w/yolo11n.pt", "--imgsz", "96", "--sides", PLAIN, OURS, "--seeds", "1")
    (plain, ours, *_) = real_trainings.orders(args, tmp_path)
    assert [Path(order.model).name for order in (plain, ours)] == ["yolo11n.pt"] * 2
    assert ours.train == {"warmup_bias_lr": 0.0, "cache": "ram", "imgsz": 96, "batch": 4}
    assert {name: part["default"] for name, part in ours.space.items()}["lr0"] == 0.001429
    assert StudySpec(**real_sides.described(ours)).ladder.rungs == (4,)
    assert real_trainings.settings_of(args)["weights"] == "yolo11n.pt"
    assert "weights" not in real_trainings.settings_of(options())


@pytest.mark.parametrize("side", [STOCK, STOCK_DEFAULTS, PLAIN])
def test_an_order_reaches_the_child_process_whole(tmp_path: Path, side: str) -> None:
    order = an_order(tmp_path, side=side)
    words = real_sides.command(order)
    assert words[-2] == side
    assert Order(**json.loads(Path(words[-1]).read_text())) == Order(**{**vars_of(order), "settings": []})


def vars_of(order: Order) -> dict[str, Any]:
    return {name: getattr(order, name) for name in Order.__slots__}


@pytest.mark.parametrize(
    ("side", "path", "column"),
    [
        (OURS, "runs/search/trials/0001_a/curves.csv", "val/map50_95"),
        (STOCK, "stock_1a/results.csv", real_sides.METRIC),
        (PLAIN, "yolo_train/results.csv", real_sides.METRIC),
    ],
)
def test_curves_are_read_as_far_as_they_are_whole(tmp_path: Path, side: str, path: str, column: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(f"epoch,{column},lr\n1,0.25,0.1\n2,,0.1\n3,0.5,0.1\n4,0.")
    assert real_sides.read(an_order(tmp_path, side=side)) == {file.parent.name: {1: 0.25, 2: None, 3: 0.5}}


def test_the_work_of_a_child_that_has_ended_still_counts() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdin
    assert parent.stdout
    meter = Meter(parent.pid)
    assert parent.stdout.readline() == "burnt\n"
    seen = meter.read()
    parent.stdin.write("go\nend\n")
    parent.stdin.close()
    parent.wait()
    parent.stdout.close()
    assert 0.25 <= seen <= meter.read()


def test_processes_that_outlive_their_parent_are_counted_by_their_mark(tmp_path: Path) -> None:
    burning = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {ORPHAN!r}], start_new_session=True)"
    root = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.readline()"], stdin=subprocess.PIPE)
    meters = [Meter(root.pid, mark=mark) for mark in (str(tmp_path), str(tmp_path / "other"), "")]
    marked = {**real_sides.environment_of(tmp_path), "BURNT": str(tmp_path / "burnt")}
    subprocess.run([sys.executable, "-c", burning], env=marked, check=True)
    while not (tmp_path / "burnt").exists():
        time.sleep(0.02)
    ours, others, unmarked = (meter.read() for meter in meters)
    for meter in meters:
        meter.end()
    assert root.wait() == -9
    assert root.stdin
    root.stdin.close()
    assert ours >= max(others, unmarked) + 0.25


def test_a_missing_data_set_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"bccd/data\.yaml"):
        real_trainings.sources(options("--data", str(tmp_path), "--datasets", "bccd"))
    monkeypatch.delenv(real_trainings.VARIABLE, raising=False)
    with pytest.raises(BenchmarkError, match=real_trainings.VARIABLE):
        real_trainings.sources(real_trainings.parsed([]))


def test_results_of_other_settings_are_not_gone_on_with(tmp_path: Path) -> None:
    assert real_trainings.kept(tmp_path, {"epochs": 12}) == []
    (tmp_path / "results.jsonl").write_text('{"seed": 0}\n')
    assert real_trainings.kept(tmp_path, {"epochs": 12}) == [{"seed": 0}]
    with pytest.raises(BenchmarkError, match=r"'epochs': \(12, 8\)"):
        real_trainings.kept(tmp_path, {"epochs": 8})


def test_an_interrupted_benchmark_runs_only_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bolts").mkdir()
    (tmp_path / "bolts" / "data.yaml").write_text("")
    ran: list[str] = []

    def fake(order: Order, source: Path, *, stopped: Path) -> dict[str, Any]:  # noqa: ARG001
        ran.append(order.side)
        if len(ran) == 2:
            raise KeyboardInterrupt
        more = {"dataset": order.dataset, "trials": 1, "commit": "c", "began": "d"}
        return {**a_record(order.side, order.seed, (10, 0.5)), **more}

    monkeypatch.setattr(real_trainings, "run", fake)
    words = ["x", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--datasets", "bolts", "--seeds", "1"]
    monkeypatch.setattr(sys, "argv", words)
    assert real_trainings.main() == real_trainings.STOPPED
    assert real_trainings.main() == 0
    assert ran == [STOCK, OURS, OURS]
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["bolts"]["ratio"], last["seeds"]) == (1.0, 1)


def test_what_an_interrupted_search_had_measured_is_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(order: Order) -> Iterator[real_sides.Point]:  # noqa: ARG001
        yield real_sides.Point(4.0, 9.0, "0000_a", 1, 0.25)
        raise KeyboardInterrupt("stop")

    monkeypatch.setattr(real_trainings, "search", interrupted)
    (tmp_path / "source").mkdir()
    order = an_order(tmp_path / "search", data=str(tmp_path / "copy" / "data.yaml"))
    with pytest.raises(KeyboardInterrupt, match="stop"):
        real_trainings.run(order, tmp_path / "source", stopped=tmp_path / "stopped.jsonl")
    (line,) = (tmp_path / "stopped.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert (kept["side"], kept["trials"], kept["points"]) == (OURS, 1, [[4.0, 9.0, "0000_a", 1, 0.25]])
    assert "test" not in kept
