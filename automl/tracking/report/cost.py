"""Cost of a study in the report: time by trial and by node, epochs, the whole job."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup
from matplotlib import colormaps
from matplotlib.figure import Figure

from automl.storage.journal import Journal
from automl.storage.layout import JOURNAL
from automl.study import Trial
from automl.study.extension import history
from automl.study.packing import probed_in
from automl.study.text import duration, one_line
from automl.study.verdict import Verdict
from automl.tracking.report.figures import frame
from automl.tracking.report.language import Words
from automl.trials.enqueued import ORIGIN
from automl.trials.job_clock import Elapsed, Stage

IN_MINUTES: Final = 300.0
"""From this many seconds of a trial on, the picture is in minutes."""
NODES_COLOURED: Final = 10


def elapsed_rows(folder: Path, metric: str, words: Words) -> dict[str, str | Markup]:
    """Return the wall-clock time of the whole job, if the journal in the folder has it, and what was left out of it."""
    if not (folder / JOURNAL).is_file():
        return {}
    journal = Journal.read(folder, metric=metric)
    with journal.interpreted():
        elapsed = Elapsed.from_notes(journal.notes())
        changed = history(journal.notes())
        shared = [f"{one.name}: {found.copies}" for (one, _), found in sorted(probed_in(journal.notes()).items())]
    rows: dict[str, str | Markup] = {}
    if journal.warnings:
        rows[words.plain("cost_dropped")] = words.quoted("; ".join(journal.warnings))
    if changed:
        rows[words.plain("cost_changed")] = words.quoted("; ".join(f"{one.at[:10]} {one.text}" for one in changed))
    if shared:
        rows[words.plain("cost_packing")] = words.quoted("; ".join(shared))
    if elapsed.seconds:
        rows[words.plain("cost_wall")] = _elapsed(elapsed, words)
    return rows


def _elapsed(elapsed: Elapsed, words: Words) -> str:
    whole = duration(elapsed.seconds)
    if elapsed.partial:
        return words.plain("cost_partial", time=whole)
    parts = [
        f"{words.plain(f'stage.{stage}')} {duration(elapsed.stages[stage])}"
        for stage in Stage
        if elapsed.stages.get(stage, 0.0) >= 0.5
    ]
    return f"{whole}{words.plain('colon')}{', '.join(parts)}" if parts else whole


def cost_rows(trials: Sequence[Trial], verdict: Verdict | None, words: Words, *, epochs: int) -> dict[str, str]:
    """Return trials, epochs and time; `epochs` is the last epoch of a trial."""
    trained = sum(trial.epoch for trial in trials)
    full = len(trials) * epochs
    told = words.plain("cost_epochs_text", trained=trained, full=full, share=trained / full) if full else "0"
    rows = {
        words.plain("cost_trials"): str(len(trials)),
        words.plain("cost_epochs"): told,
        words.plain("cost_time"): duration(sum(trial.seconds for trial in trials)),
    }
    if asked := [str(trial.number) for trial in trials if trial.origin == ORIGIN]:
        rows[words.plain("cost_enqueued")] = ", ".join(asked)
    if verdict:
        retrained = words.plain("cost_retrained_text", count=verdict.claim.retrainings, epochs=epochs)
        rows[words.plain("cost_retrained")] = retrained
    return rows


def pace(seconds: float, epochs: int) -> str:
    """Return seconds per epoch, empty without an epoch.

    >>> pace(10.0, 4), pace(0.0, 0)
    ('2.5', '')
    """
    return f"{seconds / epochs:.1f}" if epochs else ""


def node_rows(trials: Sequence[Trial], words: Words) -> list[dict[str, Any]]:
    """Return trials, epochs, time and seconds per epoch of each node."""
    rows = []
    for node in _nodes(trials):
        there = [trial for trial in trials if trial.node == node and trial.epoch]
        seconds, epochs = sum(trial.seconds for trial in there), sum(trial.epoch for trial in there)
        rows.append(
            {
                "node": one_line(node) if node else words.plain("node_unknown"),
                "trials": len(there),
                "epochs": epochs,
                "time": duration(seconds),
                "pace": pace(seconds, epochs),
            }
        )
    return rows


def time_by_trial(trials: Sequence[Trial], words: Words) -> Figure:
    """Return the training time of each trial, coloured by node."""
    measured = [trial for trial in trials if trial.epoch]
    most = max(trial.seconds for trial in measured)
    unit, key = (60.0, "cost_minutes") if most >= IN_MINUTES else (1.0, "cost_seconds")
    figure, axes = frame(7.6, 2.4)
    last = max(trial.number for trial in measured)
    edges = [number - 0.5 for number in range(last + 2)]
    nodes = _nodes(trials)
    for index, node in enumerate(nodes):
        heights = dict.fromkeys(range(last + 1), 0.0)
        heights |= {trial.number: trial.seconds / unit for trial in measured if trial.node == node}
        colour = colormaps["tab10"](index) if 1 < len(nodes) <= NODES_COLOURED else "#3b6fb6"
        # A space first: matplotlib leaves a label that begins with an underscore out of the legend.
        label = f" {one_line(node) if node else words.plain('node_unknown')}"
        axes.stairs(list(heights.values()), edges, fill=True, color=colour, label=label)
    if 1 < len(nodes) <= NODES_COLOURED:
        axes.legend(frameon=False, fontsize=8)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel(words.plain("trial"))
    axes.set_ylabel(words.plain(key))
    return figure


def _nodes(trials: Sequence[Trial]) -> list[str]:
    return [*dict.fromkeys(trial.node for trial in trials if trial.epoch)]
