"""Page of a study: `report.html`, self-contained with inline images, readable offline."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment

from automl.hpo.sampler import importances
from automl.hpo.selection import paused
from automl.storage import files
from automl.storage.journal import distributions
from automl.storage.layout import CONFIRM, REPORT, trial_folder
from automl.study import Params, ParamValue, State, Trial
from automl.study.space_spec import ChoiceSpec, RangeSpec
from automl.study.spec import LadderSpec, StudySpec
from automl.study.text import duration, printable, short
from automl.study.verdict import Verdict
from automl.tracking import html_templates
from automl.tracking.diagnosis import findings_file, shipped_findings
from automl.tracking.report import (
    class_figure,
    class_results,
    cost,
    figures,
    finding_rows,
    hover,
    landscape,
    model_parts,
    pareto_figure,
)
from automl.tracking.report.figures import drawn
from automl.tracking.report.finding_rows import FindingRow
from automl.tracking.report.language import Language, Words
from automl.tracking.report.statements import gates, reasons, statements
from automl.tracking.structure_table import StructureRow


@dataclass(frozen=True, slots=True)
class Edition:
    """Edition of a report: what it says beside the study's own records."""

    source: Path
    """The data set as it was given."""
    language: Language = Language.EN
    structures: tuple[StructureRow, ...] = ()
    """Models and image sizes with what they cost, where the objective has constraints."""


def write(
    folder: Path,
    spec: StudySpec,
    trials: Sequence[Trial],
    verdict: Verdict | None,
    *,
    edition: Edition,
) -> Path:
    """Write the report of a study; `verdict` is None before there is one."""
    words = Words(edition.language)
    rows = [_row(trial, spec.ladder, metric=spec.metric, words=words) for trial in trials]
    parts = {
        **_verdict_parts(verdict, words),
        **_search_parts(spec, trials, words),
        **_class_parts(class_results.judged(folder, verdict) if verdict else None, words),
        "validated": class_results.validated(folder, trials, verdict, metric=spec.metric, model=spec.model),
        **model_parts.parts(folder, verdict, words),
        "cost": cost.elapsed_rows(folder, spec.metric, words)
        | cost.cost_rows(trials, verdict, words, epochs=spec.ladder.max_epochs),
        "nodes": cost.node_rows(trials, words),
        "times": drawn(partial(cost.time_by_trial, trials, words)) if any(trial.epoch for trial in trials) else "",
        **_structure_parts(edition.structures, spec, words),
    }
    page = _environment().get_template("report.html.j2").render(
        t=words,
        spec=spec,
        verdict=verdict,
        source=edition.source,
        folder=folder,
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        rows=rows,
        searched=list(_searched(spec.parts(), verdict.claim.params if verdict else {})),
        counts={state: sum(row["state"] == state for row in rows) for state in State},
        rung=spec.ladder.first_rung,
        findings=_findings(folder, spec, trials, verdict=verdict, words=words),
        **parts,
    )  # fmt: skip
    files.write_text(folder / REPORT, printable(page))
    return folder / REPORT


@cache
def _environment() -> Environment:
    environment = html_templates.environment()
    environment.filters["short"] = short
    return environment


def _searched(
    parts: Iterable[tuple[str, str, RangeSpec | ChoiceSpec]], best: Params
) -> Iterator[tuple[str, RangeSpec | ChoiceSpec, ParamValue | None]]:
    """Yield each range and choice of the space, and the best value if it is active under the best params."""
    for name, _, part in parts:
        active = all(best.get(parent) in values for parent, values in part.when.items())
        yield name, part, best.get(name) if active else None


def _row(trial: Trial, ladder: LadderSpec, *, metric: str, words: Words) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": State.PAUSED if paused(trial, rungs=ladder.rungs, scheduler=ladder.scheduler) else trial.state,
        "epoch": trial.epoch,
        "best": trial.best(metric),
        "params": trial.params,
        "seconds": duration(trial.seconds),
        "pace": cost.pace(trial.seconds, trial.epoch),
        "retries": trial.retries,
        "why": words.ending(trial),
    }


def _verdict_parts(verdict: Verdict | None, words: Words) -> dict[str, Any]:
    if not verdict:
        return {"statements": {}, "reasons": [], "passed": [], "notes": [], "dots": ""}
    return {
        "statements": statements(verdict, words),
        "reasons": reasons(verdict, words),
        "passed": gates(verdict, words),
        "notes": [words.quoted(note) for note in verdict.notes],
        "dots": drawn(partial(figures.dots, verdict, words)),
    }


def _search_parts(spec: StudySpec, trials: Sequence[Trial], words: Words) -> dict[str, Any]:
    """Return the figures of params and curves; an empty one is told as missing by the template."""
    shares = importances(
        trials,
        metric=spec.metric,
        epoch=spec.ladder.first_rung,
        distributions=partial(distributions, spec.search_space),
    )
    names = {"metric": spec.metric, "objective": spec.objective_name}
    shown = landscape.ended(trials, spec.metric)
    axes = landscape.axes_of(spec.search_space, shown, list(shares))
    seen = landscape.both(shown, axes)
    titles = hover.titles(trials, [*spec.space], words, **names)
    found = {
        "curves": drawn(partial(figures.curves, trials, spec.ladder.rungs, words=words, **names), titles),
        "importances": shares,
        "bars": drawn(partial(figures.bars, shares)) if shares else "",
        "parallel": drawn(partial(landscape.parallel, shown, axes, **names), titles) if axes else "",
        "most_lines": landscape.MOST_LINES,
        "contour": drawn(partial(landscape.contour, seen, axes, **names), titles) if seen else "",
    }
    return {**found, "rules": hover.rules([str(found[name]) for name in ("curves", "parallel", "contour")])}


def _structure_parts(rows: Sequence[StructureRow], spec: StudySpec, words: Words) -> dict[str, Any]:
    """Return the structures and the picture of their front; an empty one until a trial was trained to the end."""
    shown = any(row.front for row in rows)
    return {
        "structures": rows,
        "front": drawn(partial(pareto_figure.front, rows, spec, words)) if shown else "",
    }


def _class_parts(judged: class_results.Judged | None, words: Words) -> dict[str, Any]:
    named = judged is not None and any(judged.ships)
    return {
        "judged": judged,
        "pr": drawn(partial(class_figure.precision_recall, judged.ships, words)) if judged and named else "",
        "most_classes": class_figure.MOST_CURVES,
    }


def _findings(
    folder: Path, spec: StudySpec, trials: Sequence[Trial], *, verdict: Verdict | None, words: Words
) -> list[FindingRow]:
    found = findings_file.of_study(folder, spec, trials)
    found += shipped_findings.missing(folder, verdict) if verdict else []
    folders = {f"trial {trial.number}": trial_folder(folder, trial, spec.model) for trial in trials}
    retrained = {path.name: path for path in (folder / CONFIRM).glob("*")}
    return finding_rows.rows(found, words, {**folders, **retrained})
