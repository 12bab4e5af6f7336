"""Tabulated learning curves as tasks: a search space, and for any params a curve with its seconds an epoch.

Three families of measured curves (see benchmarks/README.md for where they come from) and synthetic ones of the same
form for machines without them. A table holds finitely many configurations; params are answered by the nearest one, the
same for every strategy, so a task is a black box over the whole space.
"""

import csv
import gzip
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Final

import numpy as np

from automl.hpo.sampler.encoding import Encoding
from automl.study import Params, ParamValue
from automl.study.space import Choice, Integer, Parameter, Real, SearchSpace

Matrix = np.ndarray
ENVIRONMENT: Final = "AUTOML_BENCH_DATA"
LCBENCH: Final = "lcb2000.npz"
MORE: Final = "lcb2000_more.npz"
MODEL_WEIGHT: Final = 1e6
"""A row of another model never answers, as long as the table has one of this model."""


@dataclass(frozen=True)
class Task:
    """One table: what its rows are, and how each learns."""

    family: str
    name: str
    space: SearchSpace
    rows: Matrix
    """(rows, parameters): each parameter as a share of its range, or the index of its choice."""
    weights: Matrix
    """(parameters,): how much each counts when the nearest row is looked up."""
    values: Sequence[Matrix]
    """A curve a row, higher is better, 0..1."""
    seconds: Sequence[Matrix]
    """The seconds of each epoch."""
    max_epochs: int
    about: Mapping[str, float]
    """Statistics of the data set, where the family tells them."""
    held_out: bool = False
    """No constant of the project was chosen on it."""
    endless = False
    """Any number of params can be answered, each by a row of its own."""

    def row(self, params: Params, *, taken: set[int]) -> int:
        """Return the row that answers params: the nearest one not yet taken, where a differing choice counts as 1."""
        asked = Encoding(self.space).encode([params])[0]
        apart = np.abs(self.rows - asked)
        for column, parameter in enumerate(self.space.parameters.values()):
            if isinstance(parameter, Choice):
                apart[:, column] = apart[:, column] > 0
        far = (apart**2) @ self.weights
        far[list(taken)] = np.inf
        return int(np.argmin(far))

    def truth(self, row: int) -> Matrix:
        """Return what a row's curve would be without noise, as far as that is known."""
        return self.values[row]

    @cached_property
    def params(self) -> list[dict[str, ParamValue]]:
        """Return the params of each row."""
        encoding = Encoding(self.space)
        return [encoding.decode(row) for row in self.rows]

    @property
    def finals(self) -> Matrix:
        """Return the best value that each row reaches."""
        return np.array([curve.max() for curve in self.values])

    @property
    def full(self) -> float:
        """Return the mean seconds of a training to the last epoch."""
        return float(np.mean([seconds.sum() for seconds in self.seconds]))

    @property
    def epoch(self) -> float:
        """Return the mean seconds of an epoch."""
        return float(np.mean([seconds.mean() for seconds in self.seconds]))


def folder(given: str | None) -> Path | None:
    """Return where the tables lie: the flag, else the environment; None for synthetic curves."""
    named = given or os.environ.get(ENVIRONMENT)
    return Path(named).expanduser() if named else None


@cache
def families(place: Path | None) -> dict[str, list[Task]]:
    """Return all tasks by family, sorted by name; every second one of a file, from the second on, is held out.

    LCBench has a second file where `benchmarks/more_tables.py` has made it.
    """
    if place is None:
        return {name: _split(_synthetic(name)) for name in ("lcbench", "taskset", "quicktune")}
    files = [place / "lcbench-surrogate" / name for name in (LCBENCH, MORE)]
    return {
        "lcbench": [task for file in files if file.exists() or file.name == LCBENCH for task in _split(_lcbench(file))],
        "taskset": _split(_taskset(place / "taskset-rnn")),
        "quicktune": _split(_quicktune(place / "qt-zoo-extended")),
    }


def _split(tasks: Iterable[Task]) -> list[Task]:
    return [replace(task, held_out=number % 2 == 1) for number, task in enumerate(tasks)]


def held_out(tasks: Sequence[Task]) -> list[Task]:
    """Return the tasks that no constant of the project was chosen on."""
    return [task for task in tasks if task.held_out]


def open_to_all(tasks: Sequence[Task]) -> list[Task]:
    """Return the tasks that constants were chosen on."""
    return [task for task in tasks if not task.held_out]


def _lcbench(file: Path) -> Iterator[Task]:
    space = SearchSpace(
        {
            "batch_size": Integer(16, 512, default=64, log=True),
            "learning_rate": Real(1e-4, 0.1, default=1e-3, log=True),
            "momentum": Real(0.1, 0.99, default=0.9),
            "weight_decay": Real(1e-5, 0.1, default=1e-4),
            "num_layers": Integer(1, 5, default=3),
            "max_units": Integer(64, 1024, default=256, log=True),
            "max_dropout": Real(0.0, 1.0, default=0.2),
        }
    )
    with np.load(file) as table:
        rows = table["U"]
        for name in sorted(key[5:] for key in table.files if key.startswith("acc__")):
            values, seconds = table[f"acc__{name}"] / 100, table[f"cost__{name}"]
            yield Task("lcbench", name, space, rows, np.ones(7), list(values), list(seconds), 50, {})


def _taskset(place: Path) -> Iterator[Task]:
    space = SearchSpace(
        {
            "learning_rate": Real(1e-8, 10.0, default=1e-3, log=True),
            "one_minus_beta1": Real(1e-4, 1.0, default=0.1, log=True),
            "one_minus_beta2": Real(1e-6, 1.0, default=1e-3, log=True),
            "epsilon": Real(1e-10, 1e3, default=1e-8, log=True),
            "l1": Real(1e-8, 10.0, default=1e-8, log=True),
            "l2": Real(1e-8, 10.0, default=1e-8, log=True),
            "linear_decay": Real(1e-7, 1e-4, default=1e-7, log=True),
            "exponential_decay": Real(1e-6, 1e-3, default=1e-6, log=True),
        }
    )
    with np.load(place / "taskset_rnn12.npz") as table:
        settings = table["hp"].astype(float)
        settings[:, 1:3] = 1 - settings[:, 1:3]
        names = list(space.parameters)
        rows = _clipped(space, [dict(zip(names, row, strict=True)) for row in settings.tolist()])
        for name in sorted(key[7:] for key in table.files if key.startswith("valid__")):
            values = np.nan_to_num(np.exp(-table[f"valid__{name}"].astype(float)), nan=0.0)
            seconds = np.ones_like(values)
            yield Task("taskset", name, space, rows, np.ones(8), list(values), list(seconds), values.shape[1], {})


def _quicktune(place: Path) -> Iterator[Task]:
    def read(name: str) -> str:
        return gzip.decompress((place / name).read_bytes()).decode()

    scores, costs = json.loads(read("perf.json.gz")), json.loads(read("cost.json.gz"))
    about = json.loads((place / "descriptors.json").read_text())
    table = {row[""]: row for row in csv.DictReader(io.StringIO(read("table.csv.gz")))}
    space = _fine_tuning(next(iter(table.values())))
    weights = np.array([{"model": MODEL_WEIGHT, "lr": 4.0, "opt": 2.0}.get(name, 1.0) for name in space.parameters])
    for name in sorted(set(scores) & set(about)):
        runs = [run for run, curve in scores[name].items() if len(curve) >= 5 and run in table]
        if len(runs) < 100:
            continue
        rows = _clipped(space, [_settings(table[run], space) for run in runs])
        values = [np.array(scores[name][run][:50]) / 100 for run in runs]
        seconds = [np.array(costs[name][run][: len(curve)]) for run, curve in zip(runs, values, strict=True)]
        images, classes = about[name][:2]
        known = {"images": float(images), "classes": float(classes)}
        yield Task("quicktune", name, space, rows, weights, values, seconds, 50, known)


def _clipped(space: SearchSpace, rows: Sequence[Params]) -> Matrix:
    """Return settings as points; a zero on a log scale is its lower end."""
    lows = {name: kind.low for name, kind in space.parameters.items() if isinstance(kind, Real | Integer)}
    clipped = [{name: max(value, lows.get(name, value)) for name, value in row.items()} for row in rows]
    return np.clip(Encoding(space).encode(clipped), 0, [_top(kind) for kind in space.parameters.values()])


def _top(parameter: Parameter) -> float:
    return len(parameter.choices) - 1 if isinstance(parameter, Choice) else 1


def _fine_tuning(row: Mapping[str, str]) -> SearchSpace:
    def choices(group: str) -> tuple[ParamValue, ...]:
        return tuple(key.split(":", 2)[2] for key in row if key.startswith(f"cat:{group}:"))

    return SearchSpace(
        {
            "model": Choice(choices("model"), "convnext_small_384_in22ft1k"),
            "lr": Real(1e-5, 1e-2, default=1e-4, log=True),
            "opt": Choice(choices("opt"), "adamw"),
            "sched": Choice(choices("sched"), "cosine"),
            "data_augmentation": Choice(choices("data_augmentation"), "None"),
            "batch_size": Integer(2, 512, default=32, log=True),
            "weight_decay": Real(1e-6, 0.1, default=1e-4, log=True),
            "pct_to_freeze": Real(0.0, 1.0, default=0.0),
            "warmup_epochs": Integer(0, 10, default=5),
            "mixup_prob": Real(0.0, 1.0, default=0.0),
            "drop": Real(0.0, 0.4, default=0.0),
            "smoothing": Real(0.0, 0.1, default=0.1),
        }
    )


def _settings(row: Mapping[str, str], space: SearchSpace) -> dict[str, ParamValue]:
    settings: dict[str, ParamValue] = {}
    for name, parameter in space.parameters.items():
        if isinstance(parameter, Choice):
            chosen = [choice for choice in parameter.choices if row[f"cat:{name}:{choice}"] == "1"]
            settings[name] = chosen[0] if chosen else parameter.default
        else:
            settings[name] = float(row[name])
    return settings


SHAPES: Final[Mapping[str, Callable[[np.random.Generator], float]]] = {
    "lcbench": lambda rng: rng.uniform(0.2, 0.5),
    "taskset": lambda rng: rng.uniform(0.05, 0.15),
    "quicktune": lambda rng: rng.uniform(0.3, 1.0),
}


def _synthetic(family: str) -> Iterator[Task]:
    """Yield eight tasks of saturating curves over a seeded landscape; neighbours in the list are alike."""
    space = SearchSpace(
        {
            "lr": Real(1e-5, 0.1, default=1e-3, log=True),
            "momentum": Real(0.5, 0.99, default=0.9),
            "decay": Real(1e-6, 0.1, default=1e-4, log=True),
            "augment": Real(0.0, 1.0, default=0.5),
            "optimizer": Choice(("adamw", "sgd"), "adamw"),
        }
    )
    common = np.random.default_rng([len(family), 1]).uniform(0.25, 0.75, 4)
    for number in range(8):
        rng = np.random.default_rng([len(family), 2, number])
        rows = np.column_stack([rng.random((500, 4)), rng.integers(0, 2, 500)])
        apart = ((rows[:, :4] - common - rng.normal(0, 0.08, 4)) ** 2) @ rng.uniform(0.5, 4, 4)
        height = 0.85 * np.exp(-apart) - 0.05 * rows[:, 4] * rng.random()
        rate = SHAPES[family](rng) * rng.lognormal(0, 0.4, 500)
        epochs = np.arange(1, 51)
        noise = rng.normal(0, 0.01, (500, 50))
        values = np.clip(height[:, None] * (1 - np.exp(-rate[:, None] * epochs)) + noise, 0, 1)
        seconds = np.repeat(rng.lognormal(0, 0.5, 500)[:, None], 50, axis=1)
        yield Task(family, f"synthetic{number}", space, rows, np.ones(5), list(values), list(seconds), 50, {})
