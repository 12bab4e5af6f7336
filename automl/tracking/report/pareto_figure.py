"""Figure of the Pareto front: metric against cost, a dot for each model and image size."""

from collections.abc import Sequence
from typing import Any, Final

from matplotlib.figure import Figure

from automl.study.spec import StudySpec
from automl.study.text import one_line
from automl.tracking.report.figures import frame
from automl.tracking.report.language import Words
from automl.tracking.structure_table import StructureRow

GREEN: Final = "#1b7f4d"
GREY: Final = "#9aa5b1"
RED: Final = "#b33a2b"
WIDE: Final = 20.0
"""Ratio of the highest and the lowest cost from which on the axis is logarithmic."""


def front(rows: Sequence[StructureRow], spec: StudySpec, words: Words) -> Figure:
    """Return the metric over the first cost: the front as a line, limits dashed, what breaks one on the axis."""
    figure, axes = frame(7.6, 3.4)
    cost = spec.costs[0].text
    best = [row for row in rows if row.front]
    axes.step([row.costs[cost] for row in best], [row.best for row in best], where="post", color=GREEN, linewidth=1.2)
    for row in rows:
        if row.best is not None and row.epoch == spec.ladder.max_epochs:
            _dot(axes, row, cost)
    least = axes.get_ylim()[0]
    out = [row.costs[cost] for row in rows if row.breaks]
    if out:
        label = words.plain("structure_out")
        axes.plot(out, [least] * len(out), "x", color=RED, markersize=7, clip_on=False, label=label)
    for law in spec.constraints:
        if law.cost.text == cost:
            axes.axvline(law.limit, color=RED, linewidth=1.2, linestyle="--", label=words.plain("limit"))
    costs = [row.costs[cost] for row in rows]
    if max(costs) > WIDE * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")  # powers of ten would be mathematical text
        axes.xaxis.set_minor_formatter(lambda _value, _: "")
    axes.set_ylim(bottom=least)
    axes.set_xlabel(_axis(cost, words))
    axes.set_ylabel(words.plain("on_val", objective=spec.objective_name))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8, loc="best")
    return figure


def _dot(axes: Any, row: StructureRow, cost: str) -> None:  # noqa: ANN401
    axes.plot([row.costs[cost]], [row.best], "o", color=GREEN if row.front else GREY, markersize=7)
    place = (row.costs[cost], row.best)
    axes.annotate(one_line(row.name), place, xytext=(6, 3), textcoords="offset points", fontsize=8)


def _axis(cost: str, words: Words) -> str:
    quantity, _, target = cost.partition(" on ")
    return words.plain("cost_axis", quantity=words.plain(f"quantity.{quantity}"), target=target)
