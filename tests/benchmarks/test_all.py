"""The benchmarks as a whole: none falls behind the code that it measures."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from automl.hpo.sampler import gaussian_process
from automl.study import load
from automl.trainers import yolo
from benchmarks import fidelities, more_tables, suggestions, validation

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path for path in (ROOT / "benchmarks").glob("*.py") if "ArgumentParser" in path.read_text())


ASKED = """
import gc, importlib, os, runpy, sys
ours = "automl.apps.api", "automl.cluster.launcher", "automl.trainers.yolo"
for name in (*ours, "matplotlib.figure", "onnxruntime", "scipy.stats", "ultralytics"):
    importlib.import_module(name)
gc.freeze()
gc.disable()
for script in sys.argv[1:]:
    print(script, flush=True)
    if child := os.fork():
        print("exit", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    sys.argv, sys.path[0] = [script, "--help"], os.path.dirname(script)
    code = 3
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        code = end.code
    sys.stdout.flush()
    os._exit(code or 0)
"""
"""Each script in a process of its own, forked from one that has loaded what they use: to load it takes seconds, and to
tear it down half a second for each process that ends in the usual way."""


@pytest.mark.slow
def test_each_script_runs_from_anywhere_and_says_what_it_takes(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = [sys.executable, "-c", ASKED, *map(str, SCRIPTS)]
    told = subprocess.run(
        words, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
    ).stdout
    assert told.count("exit 0\n") == len(SCRIPTS), told
    assert told.count("usage:") == len(SCRIPTS)


def test_the_readme_of_the_benchmarks_names_each_script() -> None:
    readme = (ROOT / "benchmarks" / "README.md").read_text()
    assert [path.name for path in SCRIPTS if f"`{path.name}" not in readme] == []


def test_the_trainings_of_the_validation_benchmark_are_drawn_as_a_study_draws_them() -> None:
    described = load.load(validation.SPEC, rules=yolo)
    drawn = validation.drawn(described, 4)
    assert drawn[0] == described.search_space.defaults()
    assert len({tuple(sorted(params.items())) for params in drawn}) == 4


def test_a_peak_that_no_validation_saw_is_what_sparse_validation_loses() -> None:
    peaked, level = [0.1, 0.1, 0.9, 0.1, 0.1, 0.2], [0.5] * 6
    assert validation.climbed([peaked, level], 1, rungs=()) == 0.9
    assert validation.climbed([peaked, level], 1_000, rungs=()) == 0.5


def test_a_configuration_of_the_further_tables_is_told_in_natural_units() -> None:
    low, high = more_tables.settings(np.array([[0.0] * 7, [1.0] * 7]))
    assert low.tolist() == pytest.approx([16, 1e-4, 0.1, 1e-5, 1, 64, 0])
    assert high.tolist() == pytest.approx([512, 0.1, 0.99, 0.1, 5, 1024, 1])


def test_a_way_to_look_is_told_by_its_share_of_the_seconds_and_by_its_ranks() -> None:
    def params(end: float, early: float) -> dict[str, fidelities.Curve]:
        whole = [(2.0, early), (4.0, end)]
        return {way: whole if way == "whole" else [(1.0, end), (2.0, end)] for way in fidelities.WAYS}

    found = fidelities.compared([params(0.1, 0.3), params(0.2, 0.2), params(0.3, 0.1)])
    assert found["whole"] == [{"epoch": 1, "cpu": 0.5, "ranks": -1.0}, {"epoch": 2, "cpu": 1.0, "ranks": 1.0}]
    assert found["data 0.5"][0] == {"epoch": 1, "cpu": 0.25, "ranks": 1.0}


def test_the_bound_on_the_history_is_lifted_for_a_comparison_and_put_back() -> None:
    targets = np.arange(500.0)
    with suggestions.held(400):
        assert len(gaussian_process.representative(targets, gaussian_process.POSTERIOR_LIMIT)) == 400
        assert len(gaussian_process.representative(targets, gaussian_process.FIT_LIMIT)) == gaussian_process.FIT_LIMIT
    assert (
        len(gaussian_process.representative(targets, gaussian_process.POSTERIOR_LIMIT))
        == gaussian_process.POSTERIOR_LIMIT
    )
