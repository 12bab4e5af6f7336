"""Report of a study: `report.html`, self-contained with inline images, readable offline."""

import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import matplotlib
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from automl.hpo.sampler import importances
from automl.hpo.selection import paused
from automl.storage import files
from automl.storage.journal import Journal, distributions
from automl.storage.layout import JOURNAL, REPORT
from automl.study import Params, ParamValue, State, Trial
from automl.study.spec import ChoiceSpec, LadderSpec, RangeSpec, StudySpec
from automl.study.text import duration, one_line, printable, short, trial_name
from automl.study.verdict import Verdict
from automl.tracking.diagnosis import findings_file
from automl.trials.job_clock import Elapsed

COLOURS: Final = {
    State.COMPLETED: "#1b7f4d",
    State.PRUNED: "#9aa5b1",
    State.FAILED: "#c0392b",
    State.RUNNING: "#3b6fb6",
}
CURVES_SHOWN: Final = 60


def write(folder: Path, spec: StudySpec, trials: Sequence[Trial], verdict: Verdict | None, *, source: Path) -> Path:
    """Write the report of a study; `verdict` is None before there is one; `source` is its data set."""
    rung = spec.ladder.first_rung
    rows = [_row(trial, spec.ladder, metric=spec.metric, model=spec.model) for trial in trials]
    shares = importances(
        trials, metric=spec.metric, epoch=rung, distributions=partial(distributions, spec.search_space)
    )
    page = _environment().get_template("report.html.j2").render(
        spec=spec,
        verdict=verdict,
        source=source,
        folder=folder,
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        rows=rows,
        searched=list(_searched(spec.parts(), verdict.claim.params if verdict else {})),
        counts={state: sum(row["state"] == state for row in rows) for state in State},
        cost=_elapsed(folder, spec.metric) | _cost(trials, verdict, epochs=spec.ladder.max_epochs),
        rung=rung,
        findings=findings_file.of_study(folder, spec, trials),
        importances=shares,
        words=words_of(verdict) if verdict else {},
        curves=_svg(_curves(trials, spec.ladder.rungs, metric=spec.metric, objective=spec.objective)),
        bars=_svg(_bars(shares)) if shares else "",
        dots=_svg(_dots(verdict)) if verdict else "",
    )  # fmt: skip
    files.write_text(folder / REPORT, printable(page))
    return folder / REPORT


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("automl.tracking"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_readable,
    )
    environment.filters["short"] = short
    return environment


def _readable(value: object) -> object:
    """Return a value for the page: a name with control characters or line breaks as one line."""
    return one_line(str(value)) if isinstance(value, str | Path) and not isinstance(value, Markup) else value


def _searched(
    parts: Iterable[tuple[str, str, RangeSpec | ChoiceSpec]], best: Params
) -> Iterator[tuple[str, RangeSpec | ChoiceSpec, ParamValue | None]]:
    """Yield each range and choice of the space, and the best value if it is active under the best params."""
    for name, _, part in parts:
        active = all(best.get(parent) in values for parent, values in part.when.items())
        yield name, part, best.get(name) if active else None


def _row(trial: Trial, ladder: LadderSpec, *, metric: str, model: str) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": State.PAUSED if paused(trial, rungs=ladder.rungs, scheduler=ladder.scheduler) else trial.state,
        "epoch": trial.epoch,
        "best": trial.best(metric),
        "params": trial.params,
        "seconds": duration(trial.seconds),
        "retries": trial.retries,
        "why": trial.ending.text if trial.ending else "",
        "folder": f"trials/{trial_name(trial, model)}",
    }


def _elapsed(folder: Path, metric: str) -> dict[str, str]:
    """Return the wall-clock time of the whole job, if the journal in the folder has it, and what was left out of it."""
    if not (folder / JOURNAL).is_file():
        return {}
    journal = Journal.read(folder, metric=metric)
    with journal.interpreted():
        elapsed = Elapsed.from_notes(journal.notes())
    dropped = {"left out of the journal": "; ".join(journal.warnings)} if journal.warnings else {}
    return dropped | ({"wall-clock time of the whole job": elapsed.summary()} if elapsed.seconds else {})


def _cost(trials: Sequence[Trial], verdict: Verdict | None, *, epochs: int) -> dict[str, str]:
    trained = sum(trial.epoch for trial in trials)
    full = len(trials) * epochs
    cost = {
        "trials": str(len(trials)),
        "epochs trained": f"{trained} of {full} without early stopping ({trained / full:.0%})" if full else "0",
        "training time, summed over trials": duration(sum(trial.seconds for trial in trials)),
    }
    if verdict:
        retrained = verdict.claim.retrainings
        cost["re-trainings to confirm"] = f"{retrained} of {epochs} epochs"
    return cost


def words_of(verdict: Verdict) -> dict[str, str]:
    """Return the three statements of a verdict: what ships, how it compares, whether the params are better."""
    shipped, over = verdict.shipped, verdict.over_baseline
    if shipped is None:  # of an earlier version
        return {}
    compared = "not known: no model of the baseline was trained to the end"
    if over:
        models = "model" if over.models == 1 else "models"
        compared = (
            f"{over.difference.text(sign='+')}: its difference to the mean of {over.models} {models} of the baseline"
        )
    return {
        "ships": f"{verdict.objective} on {verdict.split}: {shipped.score.text()} with its 95% interval over "
        f"{shipped.images} images, as ONNX",
        "compared": compared,
        "params": _gain_words(verdict),
    }


def _gain_words(verdict: Verdict) -> str:
    claim = verdict.claim
    if not claim.known:
        return "not known: no model was retrained on fresh seeds (confirm.seeds is 0)"
    sure = "its confidence is unknown with fewer than two scores a side"
    if claim.lower_bound is not None and math.isfinite(claim.lower_bound):
        sure = f"with {claim.confidence:.0%} confidence the gain is at least {claim.lower_bound:+.4f}"
    found = f"{claim.difference:+.4f} {verdict.objective} on {verdict.split}; {sure}"
    better = f"yes, those of trial {claim.trial}" if claim.better else "not shown, which is a valid result"
    further = claim.further
    close = f"; {further.seeds} more seeds of each would decide it if the difference persists" if further else ""
    return f"{better}: {found}{close}"


def _curves(trials: Sequence[Trial], rungs: Sequence[int], *, metric: str, objective: str) -> Figure:
    figure, axes = _figure(7.6, 3.4)
    ranked = sorted(trials, key=lambda trial: trial.best(metric) or 0.0)
    for trial in ranked[-CURVES_SHOWN:]:
        epochs, values = _points(trial, metric)
        best = trial is ranked[-1]
        axes.plot(
            epochs, values, color=COLOURS[trial.state], linewidth=2.4 if best else 1.1,
            alpha=1.0 if best else 0.65, marker="o" if len(values) == 1 else None, markersize=3,
        )  # fmt: skip
        if best and values:
            axes.annotate(f"trial {trial.number}", (epochs[-1], values[-1]), xytext=(4, 0), textcoords="offset points")
    if trials and trials[0].best(metric) is not None:
        epochs, values = _points(trials[0], metric)
        axes.plot(epochs, values, color="#d98200", linewidth=2, linestyle="--", label="baseline")
        axes.legend(frameon=False, loc="upper left")
    for rung in rungs:
        axes.axvline(rung, color="#c8ced6", linewidth=1, linestyle=":")
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{objective} on val")
    return figure


def _points(trial: Trial, metric: str) -> tuple[list[int], list[float]]:
    """Return the validated epochs and their values."""
    measured = [m for m in trial.measurements if metric in m.metrics]
    return [m.epoch for m in measured], [m.metrics[metric] for m in measured]


def _bars(shares: Mapping[str, float]) -> Figure:
    names = list(shares)[::-1]
    figure, axes = _figure(7.6, 0.5 + 0.32 * len(names))
    axes.barh(names, [shares[name] for name in names], color="#3b6fb6", height=0.6)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return figure


def _dots(verdict: Verdict) -> Figure:
    figure, axes = _figure(7.6, 1.5)
    sides = ((verdict.claim.baseline, "#d98200"), (verdict.claim.challenger, "#1b7f4d"))
    for height, (values, colour) in enumerate(sides):
        if not values:
            continue
        axes.plot(values, [height] * len(values), "o", color=colour, markersize=8, alpha=0.8)
        axes.plot([sum(values) / len(values)] * 2, [height - 0.3, height + 0.3], color=colour, linewidth=2)
    axes.set_yticks([0, 1], ["baseline", "challenger"])
    axes.set_ylim(-0.6, 1.6)
    axes.set_xlabel(f"{verdict.objective} on {verdict.split}, one dot a seed, line: mean")
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eef1f4", zorder=0)
    axes.set_axisbelow(True)
    return figure, axes


def _svg(figure: Figure) -> Markup:
    """Return a figure as inline SVG; generated here, so it needs no escaping."""
    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif", "svg.hashsalt": "automl"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    return Markup(svg[svg.index("<svg") :])
