"""Figures of the report as inline SVG: learning curves, importance, confirmation, cost; their common frame."""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from automl.study import State, Trial
from automl.study.verdict import Verdict
from automl.tracking.report import hover
from automl.tracking.report.language import Words

COLOURS: Final = {
    State.COMPLETED: "#1b7f4d",
    State.PRUNED: "#9aa5b1",
    State.FAILED: "#c0392b",
    State.RUNNING: "#3b6fb6",
}
BASELINE: Final = "#d98200"
CURVES_SHOWN: Final = 60
SETTINGS: Final = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "svg.hashsalt": "automl",
    "text.parse_math": False,  # a name with dollar signs is a name
}


def drawn(figure: Callable[[], Figure], titles: Mapping[int, str] | None = None) -> Markup:
    """Return a figure as inline SVG; matplotlib escapes its texts. `titles` are the tooltips of trials by number."""
    text = io.StringIO()
    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        # The browser's fonts draw the text; those of matplotlib, which lack Chinese, only measure it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure().savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    return Markup(hover.titled(svg[svg.index("<svg") :], titles or {}))


def frame(width: float, height: float) -> tuple[Figure, Any]:
    """Return a figure, in inches, and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eef1f4", zorder=0)
    axes.set_axisbelow(True)
    return figure, axes


def curves(trials: Sequence[Trial], rungs: Sequence[int], *, metric: str, objective: str, words: Words) -> Figure:
    """Return the learning curves of the best trials, with the rungs marked."""
    figure, axes = frame(7.6, 3.4)
    ranked = sorted(trials, key=lambda trial: trial.best(metric) or 0.0)
    for trial in ranked[-CURVES_SHOWN:]:
        epochs, values = _points(trial, metric)
        best = trial is ranked[-1]
        axes.plot(
            epochs, values, color=COLOURS[trial.state], linewidth=2.4 if best else 1.1,
            alpha=1.0 if best else 0.65, marker="o" if len(values) == 1 else None, markersize=3, gid=hover.mark(trial),
        )  # fmt: skip
        hover.aim(axes, epochs, values, trial)
        if best and values:
            name = words.plain("trial_number", number=trial.number)
            axes.annotate(name, (epochs[-1], values[-1]), xytext=(4, 0), textcoords="offset points")
    if trials and trials[0].best(metric) is not None:
        epochs, values = _points(trials[0], metric)
        style = {
            "color": BASELINE, "linewidth": 2, "linestyle": "--", "gid": hover.mark(trials[0]),
            "marker": "o" if len(values) == 1 else None, "markersize": 5,
        }  # fmt: skip
        axes.plot(epochs, values, label=words.plain("baseline"), **style)
        axes.legend(frameon=False, loc="upper left")
    _mark_rungs(axes, rungs, words)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel(words.plain("epoch"))
    axes.set_ylabel(words.plain("on_val", objective=objective))
    return figure


def _mark_rungs(axes: Any, rungs: Sequence[int], words: Words) -> None:  # noqa: ANN401
    for index, rung in enumerate(rungs):
        axes.axvline(rung, color="#9aa5b1", linewidth=1, linestyle=":")
        name = f"{words.plain('rung')} {rung}" if index == 0 else str(rung)
        axes.annotate(
            name, (rung, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points",
            ha="center", fontsize=8, color="#616e7c",
        )  # fmt: skip


def _points(trial: Trial, metric: str) -> tuple[list[int], list[float]]:
    """Return the validated epochs and their values."""
    measured = [m for m in trial.measurements if metric in m.metrics]
    return [m.epoch for m in measured], [m.metrics[metric] for m in measured]


def bars(shares: Mapping[str, float]) -> Figure:
    """Return the importance of each parameter as bars."""
    names = list(shares)[::-1]
    figure, axes = frame(7.6, 0.5 + 0.32 * len(names))
    axes.barh(names, [shares[name] for name in names], color="#3b6fb6", height=0.6)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return figure


def dots(verdict: Verdict, words: Words) -> Figure:
    """Return the scores of both sides of a confirmation, one dot a seed."""
    figure, axes = frame(7.6, 1.5)
    sides = ((verdict.claim.baseline, BASELINE), (verdict.claim.challenger, "#1b7f4d"))
    for height, (values, colour) in enumerate(sides):
        if not values:
            continue
        axes.plot(values, [height] * len(values), "o", color=colour, markersize=8, alpha=0.8)
        axes.plot([sum(values) / len(values)] * 2, [height - 0.3, height + 0.3], color=colour, linewidth=2)
    axes.set_yticks([0, 1], [words.plain("baseline"), words.plain("challenger")])
    axes.set_ylim(-0.6, 1.6)
    axes.set_xlabel(words.plain("dots", objective=verdict.objective, split=verdict.split))
    return figure
