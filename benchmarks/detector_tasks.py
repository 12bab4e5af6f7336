"""Detector trainings as tasks: a smooth response fitted to each table of `detector_curves.py`, with its residual noise.

A table holds few configurations, so that answering by the nearest row would make plateaus that no detector has. Each
task is a Gaussian process over the params whose outputs are all epochs of the curve, with one squared-exponential
kernel. Length scale and noise are those of the highest marginal likelihood. What it leaves over at its rows, scaled for
the degrees of freedom that it took, is the noise: a trial's curve is the response plus one of these residual curves.
Regret is that of the response alone, so a search gains nothing by a lucky curve. A task is fitted to its own rows only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import groupby, product
from math import log
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np

from automl.hpo.sampler.encoding import Encoding
from automl.study import Params, ParamValue
from automl.study.space import Choice, Real, SearchSpace
from benchmarks.detector_plan import CHOICES, LOGARITHMIC, RANGES, RATES
from benchmarks.detector_rows import METRIC, Row, read_rows
from benchmarks.tables import Matrix, Task

TABLES: Final = Path(__file__).with_name("detector-curves")
FAMILY: Final = "detectors"
FEWEST_ROWS: Final = 8
"""Configurations of a task below which it is left out."""
LENGTHS: Final = (0.5, 1.0, 2.0, 4.0)
NOISES: Final = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Length scales in ranges of a parameter, and noise as a share of the response's variance, that are tried."""
REFERENCE: Final = 2048
"""Random params whose response is the best (regret 0) and the median (regret 1) of a task."""
RATE: Final = "lr0_share"
"""Place of `lr0` in the range of the optimizer, on a logarithmic scale: rivals know no range with a condition."""


@dataclass(frozen=True)
class Response:
    """A Gaussian process over the params of a task; its outputs are the epochs of the curve."""

    points: Matrix
    categorical: Sequence[int]
    """Columns that are choices: a differing one counts as 1."""
    curves: Matrix
    """(rows, epochs)."""

    def at(self, points: Matrix) -> Matrix:
        """Return the curves (points, epochs) without noise."""
        length, _ = self._scales
        mean = self.curves.mean(axis=0)
        weights = np.linalg.solve(self._gram(*self._scales), self.curves - mean)
        return np.asarray(np.clip(mean + self._kernel(points, length) @ weights, 0, 1))

    @cached_property
    def residuals(self) -> Matrix:
        """Return what the response leaves over at each row, scaled by the degrees of freedom that it took."""
        length, noise = self._scales
        taken = np.trace(np.linalg.solve(self._gram(length, noise), self._kernel(self.points, length)))
        return np.asarray((self.curves - self.at(self.points)) * (len(self.points) / (len(self.points) - taken)) ** 0.5)

    @cached_property
    def explained(self) -> float:
        """Return the share of the final values' variance that is predicted for a row left out; at most 1."""
        inverse = np.linalg.inv(self._gram(*self._scales))
        centred = self.curves[:, -1] - self.curves[:, -1].mean()
        missed = (inverse @ centred) / np.diag(inverse)
        return float(1 - (missed**2).mean() / max((centred**2).mean(), 1e-12))

    @cached_property
    def _scales(self) -> tuple[float, float]:
        return max(product(LENGTHS, NOISES), key=lambda scales: self._likelihood(*scales))

    def _likelihood(self, length: float, noise: float) -> float:
        """Return the log marginal likelihood of the final values, their variance at its best value."""
        gram = self._gram(length, noise)
        centred = self.curves[:, -1] - self.curves[:, -1].mean()
        variance = max(float(centred @ np.linalg.solve(gram, centred)) / len(gram), 1e-12)
        return float(-len(gram) * log(variance) - np.linalg.slogdet(gram)[1]) / 2

    def _gram(self, length: float, noise: float) -> Matrix:
        return np.asarray(self._kernel(self.points, length) + noise * np.eye(len(self.points)))

    def _kernel(self, points: Matrix, length: float) -> Matrix:
        apart = np.abs(points[:, None] - self.points[None])
        apart[:, :, self.categorical] = apart[:, :, self.categorical] > 0
        return np.asarray(np.exp(-(apart**2).sum(axis=2) / (2 * length**2)))


@dataclass(frozen=True)
class SmoothTask(Task):
    """A task that answers any params by its response, as often as it is asked."""

    response: Response = field(kw_only=True)
    source: str = field(kw_only=True)
    """Fingerprint of the data set: tasks of one data set teach nothing about each other."""
    seconds_of: Matrix = field(kw_only=True)
    """(choices of freeze,): seconds of an epoch."""
    scores: Matrix = field(kw_only=True)
    """(configurations,): the final values of the table's own rows, NaN where there is none."""
    asked: list[dict[str, ParamValue]] = field(default_factory=list, kw_only=True)
    truths: list[Matrix] = field(default_factory=list, kw_only=True)
    endless = True

    def row(self, params: Params, *, taken: set[int]) -> int:  # noqa: ARG002
        """Return a new row, with the curve of these params; its noise depends on the task and the params only."""
        point = Encoding(self.space).encode([params])
        truth = self.response.at(point)[0]
        noise = self.response.residuals
        drawn = noise[crc32(np.round(point, 6).tobytes() + self.name.encode()) % len(noise)]
        self.asked.append(dict(params))
        self.truths.append(truth)
        list.append(self.values, np.clip(truth + drawn, 0, 1))  # type: ignore[arg-type]
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

    @cached_property
    def finals(self) -> Matrix:
        """Return the best values that random params reach without noise, and those of the table's own rows."""
        drawn = Encoding(self.space).draw(REFERENCE, np.random.default_rng(0))
        return np.asarray(self.response.at(np.vstack([drawn, self.response.points])).max(axis=1))

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
    return [task(rows, held_out=number % 2 == 1) for number, rows in enumerate(tables)]


@cache
def cached() -> list[Task]:
    """Return the tasks of the repository's tables."""
    return tasks()


def usable(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of trainings that came to their end; none if they are too few configurations."""
    found = [row for row in rows if not row["cause"] and len(row["curve"][METRIC]) == row["epochs"]]
    return found if len({row["configuration"] for row in found}) >= FEWEST_ROWS else []


def task(rows: Sequence[Row], *, held_out: bool) -> SmoothTask:
    """Return the task of a table."""
    around, first = space(), rows[0]
    points = Encoding(around).encode([flat_params(row) for row in rows])
    categorical = [n for n, kind in enumerate(around.parameters.values()) if isinstance(kind, Choice)]
    curves = np.array([row["curve"][METRIC] for row in rows], dtype=float)
    return SmoothTask(
        FAMILY, first["task"], around, points, np.ones(points.shape[1]), [], [], first["epochs"], {}, held_out,
        response=Response(points, categorical, curves), source=first["data"]["fingerprint"],
        seconds_of=seconds(rows), scores=scores(rows),
    )  # fmt: skip


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
