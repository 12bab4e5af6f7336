"""Detector trainings as tasks: a response fitted to each table of `detector_curves.py`, with its residual noise.

A table holds few configurations, so that answering by the nearest row would make plateaus that no detector has, and
answering by a mean would make the best row the best of all params. A study is therefore answered by a function drawn
from the posterior (`detector_response.py`), another one for each seed: `SmoothTask.drawn`. A trial's curve is that
function plus noise; regret is that of the function alone, so a search gains nothing by a lucky curve.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import groupby
from math import log
from pathlib import Path
from typing import Final, Self

import numpy as np

from automl.hpo.sampler.encoding import Encoding
from automl.study import Params, ParamValue
from automl.study.space import Choice, Real, SearchSpace
from benchmarks.detector_plan import CHOICES, LOGARITHMIC, RANGES, RATES
from benchmarks.detector_response import Response, Surface, Table, fitted
from benchmarks.detector_rows import METRIC, Row, read_rows
from benchmarks.tables import Matrix, Task

TABLES: Final = Path(__file__).with_name("detector-curves")
FAMILY: Final = "detectors"
SAMPLE: Final = "sample"
FEWEST_ROWS: Final = 8
"""Configurations of a task below which it is left out."""
REFERENCE: Final = 2048
"""Random params whose median response is regret 1; regret 0 is the best response near the best of them."""
NEARER: Final = (0.2, 0.1, 0.05)
LEADING: Final = 10
AROUND: Final = 30
"""Widths, round by round, of the search for the best response; of so many points so many neighbours."""
RATE: Final = "lr0_share"
"""Place of `lr0` in the range of the optimizer, on a logarithmic scale: rivals know no range with a condition."""


@dataclass(frozen=True)
class SmoothTask(Task):
    """A task that answers any params by its response, as often as it is asked."""

    response: Response = field(kw_only=True)
    surface: Surface = field(kw_only=True)
    """The function that answers."""
    source: str = field(kw_only=True)
    """Name of the data set: tasks of one data set teach nothing about each other."""
    seconds_of: Matrix = field(kw_only=True)
    """(choices of freeze,): seconds of an epoch."""
    scores: Matrix = field(kw_only=True)
    """(configurations,): the final values of the table's own rows, NaN where there is none."""
    asked: list[dict[str, ParamValue]] = field(default_factory=list, kw_only=True)
    truths: list[Matrix] = field(default_factory=list, kw_only=True)
    endless = True

    def row(self, params: Params, *, taken: set[int]) -> int:  # noqa: ARG002
        """Return a new row, with the curve of these params; its noise depends on the function and the params only."""
        (point,) = Encoding(self.space).encode([params])
        self.asked.append(dict(params))
        self.truths.append(self.surface.at(point[None])[0])
        list.append(self.values, self.surface.noisy(point))  # type: ignore[arg-type]
        frozen = CHOICES["freeze"].index(params["freeze"])
        list.append(self.seconds, np.full(self.max_epochs, self.seconds_of[frozen]))  # type: ignore[arg-type]
        return len(self.asked) - 1

    def truth(self, row: int) -> Matrix:
        """Return a row's curve without noise."""
        return self.truths[row]

    @property
    def params(self) -> list[dict[str, ParamValue]]:
        """Return the params that were asked for."""
        return self.asked

    def drawn(self, seed: int) -> Self:
        """Return the task with a function drawn from the posterior, asked for nothing yet."""
        surface = Surface(self.response, seed)
        return replace(self, surface=surface, asked=[], truths=[], values=[], seconds=[])

    @cached_property
    def finals(self) -> Matrix:
        """Return the best values that random params reach without noise, and those near the best of them."""
        encoding, generator = Encoding(self.space), np.random.default_rng(0)
        points = np.vstack([encoding.draw(REFERENCE, generator), self.response.table.points])
        found = self.surface.at(points).max(axis=1)
        everywhere = found[:REFERENCE]
        for width in NEARER:
            best = points[np.argsort(-found)[:LEADING]]
            points = np.vstack([best, encoding.near(np.repeat(best, AROUND, axis=0), generator, width=width)])
            found = self.surface.at(points).max(axis=1)
        return np.append(everywhere, found.max())

    @property
    def epoch(self) -> float:
        """Return the mean seconds of an epoch."""
        return float(self.seconds_of.mean())

    @property
    def full(self) -> float:
        """Return the mean seconds of a training to the last epoch."""
        return self.epoch * self.max_epochs


def space() -> SearchSpace:
    """Return the space of the table's configurations, each parameter with one range."""
    low, high, usual = RATES["AdamW"]
    return SearchSpace(
        {name: Choice(choices, choices[0]) for name, choices in CHOICES.items()}
        | {RATE: Real(0.0, 1.0, default=log(usual / low) / log(high / low))}
        | {name: Real(max(low, 0.0), high, default=usual) for name, (low, high, usual) in RANGES.items()}
        | {name: Real(low, high, default=usual, log=True) for name, (low, high, usual) in LOGARITHMIC.items()}
    )


def flat_params(row: Row) -> dict[str, ParamValue]:
    """Return the params of a row in the words of `space`."""
    params = row["params"]
    low, high, _ = RATES[params["optimizer"]]
    known = {
        **params,
        RATE: log(params["lr0"] / low) / log(high / low),
        "closed": params["close_mosaic"] / row["epochs"],
    }
    found: dict[str, ParamValue] = {}
    for name, parameter in space().parameters.items():
        value = known[name]
        found[name] = min(max(value, parameter.low), parameter.high) if isinstance(parameter, Real) else value
    return found


def tasks(folder: Path = TABLES) -> list[Task]:
    """Return the tasks that have enough rows, by name; every second one, from the second on, is held out."""
    tables = [rows for path in sorted(folder.glob("*.jsonl")) if (rows := usable(read_rows(path)))]
    numbers = [table(rows) for rows in tables]
    scales = fitted(numbers) if numbers else None
    return [
        task(rows, Response(own, scales), held_out=number % 2 == 1)
        for number, (rows, own) in enumerate(zip(tables, numbers, strict=True))
        if scales
    ]


@cache
def cached() -> list[Task]:
    """Return the tasks of the repository's tables."""
    return tasks()


@cache
def learned_lengths(source: str) -> dict[str, float]:
    """Return the length scales fitted to the tables of all other data sets, as shares of a parameter's range."""
    others = [one.response.table for one in cached() if isinstance(one, SmoothTask) and one.source != source]
    return dict(zip(space().parameters, fitted(others).lengths.tolist(), strict=True))


def usable(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of trainings that came to their end; none if they are too few configurations."""
    found = [row for row in rows if not row["cause"] and len(row["curve"][METRIC]) == row["epochs"]]
    return found if len({row["configuration"] for row in found}) >= FEWEST_ROWS else []


def table(rows: Sequence[Row]) -> Table:
    """Return the rows of a table in numbers."""
    around = space()
    points = Encoding(around).encode([flat_params(row) for row in rows])
    choices = [len(kind.choices) if isinstance(kind, Choice) else 0 for kind in around.parameters.values()]
    curves = np.array([row["curve"][METRIC] for row in rows], dtype=float)
    return Table(points, tuple(choices), curves)


def task(rows: Sequence[Row], response: Response, *, held_out: bool) -> SmoothTask:
    """Return the task of a table, answered by the mean of its posterior."""
    points, first = response.table.points, rows[0]
    return SmoothTask(
        FAMILY, first["task"], space(), points, np.ones(points.shape[1]), [], [], first["epochs"], {}, held_out,
        response=response, surface=Surface(response), source=origin(first["task"]),
        seconds_of=seconds(rows), scores=scores(rows),
    )  # fmt: skip


def origin(name: str) -> str:
    """Return the data set of a task; all variants of the sample are one.

    >>> origin("micro-sample"), origin("sample-few"), origin("screws-tiny")
    ('sample', 'sample', 'screws-tiny')
    """
    plain = name.removeprefix("micro-")
    return SAMPLE if plain.startswith(SAMPLE) else plain


def seconds(rows: Sequence[Row]) -> Matrix:
    """Return the CPU-seconds of an epoch for each number of frozen layers, as far as the table tells."""
    spent = [(row["params"]["freeze"], row["cpu"] / row["epochs"]) for row in rows]
    usual = float(np.mean([cost for _, cost in spent]))
    of_each = [[cost for layers, cost in spent if layers == choice] for choice in CHOICES["freeze"]]
    return np.array([np.mean(costs) if costs else usual for costs in of_each])


def scores(rows: Sequence[Row]) -> Matrix:
    """Return the mean final value of each configuration, NaN where the table has none."""
    ordered = sorted(rows, key=lambda row: row["configuration"])
    found = np.full(ordered[-1]["configuration"] + 1, np.nan)
    for number, group in groupby(ordered, key=lambda row: row["configuration"]):
        found[number] = np.mean([max(row["curve"][METRIC]) for row in group])
    return found


@cache
def configurations() -> dict[int, Params]:
    """Return the params of each configuration in the words of `space`, as fine-tuned where it was."""
    rows = [row for path in sorted(TABLES.glob("*.jsonl")) for row in read_rows(path)]
    rows.sort(key=lambda row: row["model"].startswith("yolo"))  # the last one stays: from scratch no layer is frozen
    return {row["configuration"]: flat_params(row) for row in rows}
