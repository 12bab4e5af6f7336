"""What other tools write is called what it is, and its search space is told as it reads here."""

import json
from pathlib import Path
from typing import Any

import pytest

from automl.study import load as study_load
from automl.study.errors import SpecError
from tests.builders import FakeRules, written

OWN = (
    "name: a\nmodel: tiny.yaml\nbudget: {trials: 4}\nladder: {min_epochs: 2, max_epochs: 6}\ntrain: {optimizer: SGD}\n"
)
LR0 = "lr0: {low: 0.001, high: 0.1, default: 0.01, log: true}"


def refused(folder: Path, text: str, *, name: str = "spec.yaml", **overrides: Any) -> str:
    with pytest.raises(SpecError, match=r"spec|tune") as found:
        study_load.load(written(folder, name, text), rules=FakeRules(), overrides=overrides)
    return str(found.value)


@pytest.mark.parametrize(
    ("value", "reading"),
    [
        ("[0.001, 0.1]", "{low: 0.001, high: 0.1, default: 0.01, log: true}"),
        ("(0.001, 0.05)", "{low: 0.001, high: 0.05, default: 0.01}"),
        ("[0.001, 0.05, 2.0]", "{low: 0.001, high: 0.05, default: 0.01}"),
        ("(0.001, 0.05, 2.0)", "{low: 0.001, high: 0.05, default: 0.01}"),
        ("tune.uniform(0.02, 0.1)", "{low: 0.02, high: 0.1, default: 0.02}"),
        ("ray.tune.loguniform(0.001, 0.05)", "{low: 0.001, high: 0.05, default: 0.01, log: true}"),
        ("uniform(lower=0.001, upper=0.02)", "{low: 0.001, high: 0.02, default: 0.01}"),
        ("tune.quniform(0.0, 0.1, 0.01)", "{low: 0.0, high: 0.1, default: 0.01}"),
        ("tune.choice([0.01, 0.02])", "{choices: [0.01, 0.02], default: 0.01}"),
        ("tune.grid_search([0.02, 0.03])", "{choices: [0.02, 0.03], default: 0.02}"),
        ("tune.randint(1, 9)", '{low: 1, high: 8, default: 1, type: "int"}'),
        ("tune.qrandint(1, 9, 2)", '{low: 1, high: 9, default: 1, type: "int"}'),
        ("[0.3, 0.2, 0.1]", "{choices: [0.3, 0.2, 0.1], default: 0.3}"),
        ("{min: 0.001, max: 0.05}", "{low: 0.001, high: 0.05, default: 0.01}"),
        ("{values: [0.1, 0.2]}", "{choices: [0.1, 0.2], default: 0.1}"),
    ],
)  # fmt: skip
def test_a_parameter_as_another_tool_writes_it_is_told_as_it_reads_here(
    tmp_path: Path, value: str, reading: str
) -> None:
    assert f"space.lr0: must be written as {reading}, but got " in refused(tmp_path, f"{OWN}space:\n  lr0: {value}\n")


def test_what_is_told_is_taken(tmp_path: Path) -> None:
    text = f"{OWN}space:\n  {LR0}\n"
    assert study_load.load(written(tmp_path, "spec.yaml", text), rules=FakeRules()).space.keys() == {"lr0"}


def test_an_override_is_read_alike(tmp_path: Path) -> None:
    found = refused(tmp_path, f"{OWN}space:\n  {LR0}\n", **{"space.momentum": "(0.6, 0.98)"})
    assert "space.momentum: must be written as {low: 0.6, high: 0.98, default: 0.9}" in found


@pytest.mark.parametrize("value", ["fast", "os.system('x')", "[]", "lambda: 1", "tune.sample_from(f)", "(1,"])
def test_what_is_no_range_of_anyone_is_left_to_the_other_laws(tmp_path: Path, value: str) -> None:
    assert "must be written as" not in refused(tmp_path, f'{OWN}space:\n  lr0: "{value}"\n')


@pytest.mark.parametrize(
    "program",
    [
        'model.tune(data="a.yaml", space={"lr0": (0.001, 0.1), "batch": 8})',
        'model.tune(use_ray=True, space={"lr0": tune.loguniform(0.001, 0.1), "batch": 8})',
        'search_space = {"lr0": (1e-3, 1e-1), "batch": 8}\nmodel.tune(space=search_space)',
        'tuner = tune.Tuner(train, param_space={"lr0": tune.loguniform(0.001, 0.1), "batch": 8})',
        "model.tune(space=dict(lr0=(1e-3, 1e-1), batch=8))",
        'mine = {"lr0": (1e-3, 1e-1)}\nmine["batch"] = 8\nmodel.tune(space=mine)',
        'param_space: dict[str, object] = {"lr0": tune.loguniform(lower=0.001, upper=0.1), "batch": 8}',
        'fixed = {"batch": 8}\nspace = {**fixed, "lr0": loguniform(1e-3, 1e-1)}',
        'space = {"batch": 8}\nspace["lr0"] = (0.001, 0.1)',
    ],
)
def test_a_python_program_is_read_and_not_run(tmp_path: Path, program: str) -> None:
    found = refused(tmp_path, f"raise SystemExit(9)\n{program}\n", name="tune.py")
    assert "is a Python program, which is not run; its search space in the syntax of this program" in found
    assert f"  space:\n    {LR0}\n  train: {{batch: 8}}" in found


@pytest.mark.parametrize("text", ["def (", "print('no space')\n", "x = {'a': 1}\n"])
def test_a_python_file_without_a_space_is_called_one(tmp_path: Path, text: str) -> None:
    assert "but is a Python " in refused(tmp_path, text, name="tune.py")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path: x\ntrain: images\nval: images\nnames: [a]\n", "is that of a data set; pass it with --data"),
        ("train: ../train/images\nnc: 2\nval: ../val\n", "is that of a data set; pass it with --data"),
        ("nc: 3\nbackbone: []\nhead: []\n", "is that of a model; pass it with --model"),
        ("task: detect\nlr0: 0.01\nmomentum: 0.9\nmosaic: 1.0\n", "contains settings of Ultralytics"),
        ("lr0: [0.001, 0.1]\nbatch: 8\n", "search space in the syntax of this program: copy a shipped space, such as "
         f"search_spaces/yolo_small.yaml, and insert\n  space:\n    {LR0}\n  train: {{batch: 8}}"),
        ("method: bayes\nparameters:\n  lr0: {min: 0.001, max: 0.1}\n", f"\n  space:\n    {LR0}"),
    ],
)  # fmt: skip
def test_a_file_of_another_kind_is_called_what_it_is(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text)


def test_an_objective_function_of_optuna_is_read(tmp_path: Path) -> None:
    program = (
        "def objective(trial):\n"
        '    lr0 = trial.suggest_float("lr0", 1e-3, 1e-1, log=True)\n'
        '    batch = trial.suggest_int("batch", 8, high=16)\n'
        '    return train(lr0, batch, trial.suggest_categorical("optimizer", ["SGD", "AdamW"]))\n'
    )
    found = refused(tmp_path, program, name="tune.py")
    assert f"    {LR0}\n" in found
    assert "    batch: {low: 8, high: 16, default: " in found
    assert '    optimizer: {choices: ["SGD", "AdamW"], default: "SGD"}' in found


def test_a_notebook_is_read_without_its_commands(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Tuning"]},
        {"cell_type": "code", "source": ["!pip install ultralytics\n", "%matplotlib inline\n", "b = 8"]},
        {"cell_type": "code", "source": 'model.tune(space={"lr0": (0.001, 0.1)})'},
    ]
    found = refused(tmp_path, json.dumps({"cells": cells}), name="tune.ipynb")
    assert "is a notebook program, which is not run; its search space in the syntax of this program" in found
    assert f"    {LR0}" in found


def test_what_cannot_be_translated_is_named(tmp_path: Path) -> None:
    program = 'space = {"lr0": (0.001, 0.1), "momentum": tune.sample_from(draw)}\n'
    assert "\n  # not translated: momentum: 'tune.sample_from(draw)'" in refused(tmp_path, program, name="tune.py")
