"""Figures of params against results: parallel coordinates, and a contour of two parameters."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from automl.study import ParamValue, Trial
from automl.study.space import Choice, Parameter, SearchSpace
from automl.study.text import one_line, short
from automl.tracking.report import hover
from automl.tracking.report.figures import frame
from automl.tracking.report.language import MISSING

FloatArray = NDArray[np.float64]

MOST_LINES: Final = 200
MOST_AXES: Final = 8
LEAST_DOTS: Final = 3
MOST_DOTS: Final = 400
LEAST_SURFACE: Final = 8
"""Dots from which on a surface is drawn between them."""
ABSENT: Final = -0.12
"""Height of a trial that does not have the parameter."""
LEVELS: Final = 9
GRID: Final = 40
POWER: Final = 3.0
"""Inverse-distance weighting: a higher power keeps the surface closer to the nearest dot."""
LONGEST: Final = 14
APART: Final = 0.07
"""Least distance of two labels on an axis."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Axis of one parameter, scaled to 0..1 over the values that were tried."""

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[str, ...] = ()
    marks: tuple[float, ...] = ()
    """The values that a number can have, if these are few."""

    @classmethod
    def of(cls, name: str, values: Sequence[ParamValue], *, log: bool = False, listed: bool = False) -> Self:
        """Return the axis of some values: numbers by size, anything else as choices; `listed`: of a choice."""
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
            return cls(name, choices=tuple(sorted({short(value) for value in values})))
        numbers = [float(value) for value in values if isinstance(value, int | float)]
        marks = tuple(sorted({*numbers})) if listed else ()
        return cls(name, min(numbers), max(numbers), log and min(numbers) > 0, marks=marks)

    def place(self, value: ParamValue) -> float:
        """Return the place of a value.

        >>> Axis("lr0", 0.001, 0.1, log=True).place(0.01), Axis("o", choices=("a", "b")).place("b")
        (0.5, 1.0)
        """
        if self.choices:
            return self.choices.index(short(value)) / max(len(self.choices) - 1, 1)
        low, high, here = self.low, self.high, float(value)
        if self.log:
            low, high, here = math.log(low), math.log(high), math.log(here)
        return round((here - low) / (high - low), 9) if high > low else 0.5

    @property
    def ticks(self) -> tuple[list[float], list[str]]:
        """Return places and labels."""
        if self.choices:
            labels = [cut(choice) for choice in self.choices]
            return [index / max(len(labels) - 1, 1) for index in range(len(labels))], labels
        if self.high <= self.low:
            return [0.5], [f"{self.low:.3g}"]
        if self.marks:
            return self._marked()
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        return [0.0, 0.5, 1.0], [f"{value:.3g}" for value in (self.low, middle, self.high)]

    def _marked(self) -> tuple[list[float], list[str]]:
        """Return places and labels of listed values, those left out whose label would lie on the one before.

        >>> Axis("nbs", 8, 64, marks=(8, 9, 64)).ticks
        ([0.0, 1.0], ['8', '64'])
        """
        shown: list[float] = []
        for value in (self.low, self.high, *self.marks):
            if all(abs(self.place(value) - self.place(other)) >= APART for other in shown):
                shown.append(value)
        return [self.place(value) for value in sorted(shown)], [f"{value:g}" for value in sorted(shown)]


def cut(text: str) -> str:
    """Return a text short enough for a tick.

    >>> cut("a_very_long_choice")
    'a_very_long_c…'
    """
    line = one_line(text)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def ended(trials: Sequence[Trial], metric: str) -> list[Trial]:
    """Return the ended trials that have a result, the best last."""
    shown = [trial for trial in trials if trial.ending and trial.best(metric) is not None]
    return sorted(shown, key=lambda trial: trial.best(metric) or 0.0)


def _is_log(part: Parameter) -> bool:
    return not isinstance(part, Choice) and part.log


def axes_of(space: SearchSpace, trials: Sequence[Trial], order: Sequence[str]) -> list[Axis]:
    """Return an axis for each parameter in which the trials differ, those in `order` first."""
    known = space.parameters
    names = [*(name for name in order if name in known), *(name for name in known if name not in order)]
    found = []
    for name in names:
        values = [trial.params[name] for trial in trials if name in trial.params]
        if len({short(value) for value in values}) > 1:
            found.append(Axis.of(name, values, log=_is_log(known[name]), listed=isinstance(known[name], Choice)))
    return found


def parallel(trials: Sequence[Trial], axes: Sequence[Axis], *, metric: str, objective: str) -> Figure:
    """Return parallel coordinates of ended trials, the best drawn last."""
    results = [trial.best(metric) or 0.0 for trial in trials]
    columns = [*axes[:MOST_AXES], Axis.of(objective, results)]
    figure, canvas = frame(9.6, 3.8)
    canvas.grid(visible=False)
    canvas.spines[["left", "bottom"]].set_visible(False)
    scale = _scale(results)
    for trial, result in zip(trials[-MOST_LINES:], results[-MOST_LINES:], strict=True):
        heights = [
            axis.place(trial.params[axis.name]) if axis.name in trial.params else ABSENT for axis in columns[:-1]
        ]
        heights.append(columns[-1].place(result))
        best = trial is trials[-1]
        canvas.plot(
            range(len(columns)), heights, color=scale.to_rgba(np.array([result]))[0], linewidth=2.6 if best else 1.1,
            alpha=1.0 if best else 0.7, gid=hover.mark(trial),
        )  # fmt: skip
        hover.aim(canvas, range(len(columns)), heights, trial)
    for index, axis in enumerate(columns):
        _draw_axis(canvas, index, axis)
    absent = any(axis.name not in trial.params for axis in columns[:-1] for trial in trials[-MOST_LINES:])
    canvas.set_yticks([ABSENT] if absent else [], [MISSING] if absent else [])
    # In two rows: the names of neighbours would overlap.
    names = ["\n" * (index % 2) + cut(axis.name) for index, axis in enumerate(columns)]
    canvas.set_xticks(range(len(columns)), names)
    canvas.tick_params(length=0)
    canvas.set_xlim(-0.15, len(columns) - 0.55)
    figure.colorbar(scale, ax=canvas, label=objective)
    return figure


def _draw_axis(canvas: Any, index: int, axis: Axis) -> None:  # noqa: ANN401
    canvas.axvline(index, color="#9aa5b1", linewidth=1, zorder=1)
    for place, label in zip(*axis.ticks, strict=True):
        canvas.annotate(
            label, (index, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
        )  # fmt: skip


def both(trials: Sequence[Trial], axes: Sequence[Axis]) -> list[Trial]:
    """Return the trials that have the first two params; none if these are fewer than a contour takes."""
    names = [axis.name for axis in axes[:2]]
    shown = [trial for trial in trials if all(name in trial.params for name in names)]
    return shown[-MOST_DOTS:] if len(names) == 2 and len(shown) >= LEAST_DOTS else []


def contour(shown: Sequence[Trial], axes: Sequence[Axis], *, metric: str, objective: str) -> Figure:
    """Return the results over the first two axes of trials that have both params."""
    across, up = axes[:2]
    x, y = (np.array([axis.place(trial.params[axis.name]) for trial in shown]) for axis in (across, up))
    results = np.array([trial.best(metric) or 0.0 for trial in shown])
    figure, canvas = frame(6.6, 4.0)
    scale = _scale(results.tolist())
    if len(shown) >= LEAST_SURFACE and results.min() < results.max() and not (across.choices or up.choices):
        steps = np.linspace(-0.04, 1.04, GRID)
        levels = np.linspace(results.min(), results.max(), LEVELS + 1)
        surface = interpolated(x, y, results, steps)
        canvas.contourf(steps, steps, surface, levels=levels, cmap=scale.cmap, norm=scale.norm, alpha=0.75)
    for trial, left, height, colour in zip(shown, x, y, scale.to_rgba(results), strict=True):
        canvas.plot(
            [left], [height], "o", markerfacecolor=colour, markeredgecolor="white", markersize=6, markeredgewidth=0.9,
            zorder=3, gid=hover.mark(trial),
        )  # fmt: skip
    canvas.set_xticks(*across.ticks)
    canvas.set_yticks(*up.ticks)
    canvas.set_xlabel(cut(across.name))
    canvas.set_ylabel(cut(up.name))
    canvas.set_xlim(-0.04, 1.04)
    canvas.set_ylim(-0.04, 1.04)
    figure.colorbar(scale, ax=canvas, label=objective)
    return figure


def interpolated(x: FloatArray, y: FloatArray, values: FloatArray, steps: FloatArray) -> FloatArray:
    """Return (steps, steps) values by inverse-distance weighting: any number of dots, collinear ones as well."""
    columns, rows = np.meshgrid(steps, steps)
    apart = np.hypot(columns[..., None] - x, rows[..., None] - y)
    weights = 1 / np.maximum(apart, 1e-6) ** POWER
    return np.asarray((weights * values).sum(axis=-1) / weights.sum(axis=-1))


def _scale(results: Sequence[float]) -> ScalarMappable:
    """Return the colours of results, the best dark, in few steps: a colour bar of many would be a bitmap."""
    low, high = min(results), max(results)
    norm = Normalize(low, high if high > low else low + 1e-6)
    return ScalarMappable(norm, colormaps["viridis_r"].resampled(LEVELS))
