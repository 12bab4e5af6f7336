"""Status table of a study: shown on the terminal while it runs, and by `automl status` at any time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from math import ceil, floor, nan
from pathlib import Path
from typing import Any, Final

from automl.hpo.learning_curves import Forecast, forecast, of_fine_tuning
from automl.hpo.sampler import importances
from automl.hpo.selection import paused
from automl.hpo.strategy import BASELINE
from automl.storage.journal import distributions
from automl.study import State, Trial
from automl.study.space import SearchSpace
from automl.study.spec import LadderSpec, StudySpec
from automl.study.text import View, duration, shell_line, short
from automl.study.verdict import Verdict
from automl.tracking import outcome
from automl.tracking.sparkline import sparklines
from automl.trials import remaining
from automl.trials.heartbeat import Beat
from automl.trials.job_clock import Elapsed

SILENT_SECONDS: Final = 60.0
"""A process without a heartbeat for this long is shown as not responding."""
WEIGHTS: Final = ".pt"
"""Suffix of a model that starts from weights."""
CEILING: Final = 1.0
"""The highest possible value of an objective."""
LEAST_VALIDATED: Final = 2
CURVE: Final = "curve"
"""Column of sparklines: the objective over the validated epochs, all trials on one scale."""


def of_trials(
    spec: StudySpec,
    trials: Sequence[Trial],
    *,
    elapsed: Elapsed,
    idle: Mapping[int, str] | None = None,
    params: Sequence[str] | None = None,
) -> View:
    """Return a table of the trials; its title has the time of the whole job.

    `idle` maps unended trials that do not run now to their state, WAITING or State.PAUSED.

    Without it, in another process, those that have reached a rung count as paused. `params` names the parameters
    to show; without it they are computed, which is slow in a large study.
    """
    idle = idle_states(trials, spec.ladder) if idle is None else idle
    if params is None:
        space, epoch = spec.search_space, spec.ladder.first_rung
        params = important_params(space, trials, metric=spec.metric, epoch=epoch)
    epochs = spec.ladder.max_epochs
    by_end = f"by epoch {epochs}"
    columns = ["trial", "state", "epoch", spec.objective_name, CURVE, by_end, *params, "time left"]
    coming = expected(trials, metric=spec.metric, epochs=epochs, model=spec.model)
    rows = [
        [
            *_progress(trial, idle, metric=spec.metric, epochs=epochs),
            curve,
            coming.get(trial.number, ""),
            *(short(trial.params[name]) if name in trial.params else "-" for name in params),
            _time_left(trial, idle, epochs=epochs),
        ]
        for trial, curve in zip(trials, sparklines(trials, spec.metric), strict=True)
    ]
    best = leading(trials, spec.metric)
    return View(
        _title(spec, trials, idle, elapsed),
        columns,
        rows,
        optional=[CURVE, *reversed(params), by_end, "time left"],
        more=len(spec.space) - len(params),
        best=None if best is None else trials.index(best),
    )


def leading(trials: Sequence[Trial], metric: str) -> Trial | None:
    """Return the trial with the highest value so far, the first of equals; None before any."""
    measured = [trial for trial in trials if trial.best(metric) is not None]
    return max(measured, key=lambda trial: trial.best(metric) or 0.0, default=None)


def expected(trials: Sequence[Trial], *, metric: str, epochs: int, model: str) -> dict[int, str]:
    """Return the forecast final values of unended trials, with an 80% interval: `0.41 (0.38..0.47)`.

    A trial has none before its second validated epoch: one value has no slope.
    """
    shown = [trial for trial in trials if trial.state is not State.FAILED and trial.best(metric) is not None]
    curves = [[m.metrics.get(metric, nan) for m in trial.measurements] for trial in shown]
    found = forecast(curves, epochs, ceiling=CEILING)
    if Path(model).suffix == WEIGHTS:
        pairs = zip(shown, found, strict=True)
        found = [_of_fine_tuning(one, best=trial.best(metric) or 0.0) for trial, one in pairs]
    return {
        trial.number: forecast_text(one, best=trial.best(metric) or 0.0)
        for trial, one in zip(shown, found, strict=True)
        if trial.ending is None and sum(metric in m.metrics for m in trial.measurements) >= LEAST_VALIDATED
    }


def _of_fine_tuning(found: Forecast, *, best: float) -> Forecast:
    unknown = found.high >= CEILING
    calibrated = of_fine_tuning(found, best=best)
    return replace(calibrated, high=CEILING) if unknown else calibrated


def forecast_text(found: Forecast, *, best: float) -> str:
    """Return a forecast as text, its ends rounded outwards; `best` is the trial's best value so far.

    An upper end at the ceiling is unknown and left out. Empty if the lower end is not above `best` either, or if the
    interval has no width.

    >>> forecast_text(Forecast(0.41, 0.3812, 0.4688), best=0.3)
    '0.41 (0.38..0.47)'
    >>> forecast_text(Forecast(0.41, 0.3812, 1.0), best=0.3), forecast_text(Forecast(0.25, 0.25, 0.25), best=0.25)
    ('0.41 (0.38..)', '')
    """
    low, high = floor(round(found.low * 100, 6)) / 100, ceil(round(found.high * 100, 6)) / 100
    unknown = high >= CEILING
    if found.high <= found.low or low >= high or (unknown and found.low <= best):
        return ""
    return f"{found.final:.2f} ({low:.2f}..{'' if unknown else f'{high:.2f}'})"


def idle_states(
    trials: Sequence[Trial],
    ladder: LadderSpec,
    *,
    beats: Mapping[int, Beat | None] | None = None,
    driven: bool = True,
) -> dict[int, str]:
    """Return the trials that are paused by the journal; with heartbeats, those that wait as well.

    A trial waits if it has no heartbeat, or an old one and there is no driver (`driven` is False).
    """
    rungs = ladder.rungs
    still: dict[int, str] = {}
    for trial in trials:
        if paused(trial, rungs=rungs, scheduler=ladder.scheduler):
            still[trial.number] = State.PAUSED
        elif beats is not None and trial.ending is None:
            beat = beats.get(trial.number)
            if beat is None or not (driven or alive(beat)):
                still[trial.number] = State.WAITING
    return still


def important_params(
    space: SearchSpace, trials: Sequence[Trial], *, metric: str, epoch: int, most: int = 5
) -> list[str]:
    """Return the parameters to show, the most important first: of a large space those in which the trials differ."""
    names = list(space.parameters)
    if len(trials) > 1:
        values = {name: {repr(trial.params.get(name)) for trial in trials} for name in names}
        names = [name for name in names if len(values[name]) > 1] or names
    if len(names) <= most:
        return names
    ranked = importances(trials, metric=metric, epoch=epoch, distributions=partial(distributions, space))
    return [*(name for name in ranked if name in names), *(name for name in names if name not in ranked)][:most]


def where(
    trials: Sequence[Trial], ladder: LadderSpec, *, notes: Mapping[str, Any], beats: Mapping[int, Beat | None]
) -> list[str]:
    """Return a line on each trial that runs or was trained with changed settings, and on the progress of the study."""
    still = idle_states(trials, ladder)
    lines = [
        f"trial {trial.number} {_place(trial, beats.get(trial.number))}{_lost(trial)}"
        for trial in trials
        if trial.state is State.RUNNING and trial.number not in still
    ]
    lines += [f"trial {trial.number} conditions changed: {trial.changed}" for trial in trials if trial.changed]
    confirmed = [key.partition(":")[2] for key in notes if key.startswith("confirm:")]
    if confirmed:
        lines.append(f"confirmed: {', '.join(confirmed)}")
    if plain := notes.get("promotion"):
        verdict = Verdict.from_dict(plain)
        lines += [*outcome.gates(verdict), *outcome.found(verdict)]
        lines.append(f"verdict: {'promoted' if verdict.accepted else 'not promoted'}, version {verdict.version}")
    return lines


def with_driver(elapsed: Elapsed, beat: Beat | None) -> Elapsed:
    """Add the time since the last note if the driver is alive."""
    return elapsed.with_driver(beat, silence=_silence(beat), limit=SILENT_SECONDS) if beat else elapsed


def alive(beat: Beat | None) -> bool:
    """Return True if a process has a recent heartbeat."""
    return beat is not None and _silence(beat) <= SILENT_SECONDS


def driver(beat: Beat | None, *, finished: bool, folder: str) -> str:
    """Return a line on the process that runs the study, from its heartbeat."""
    if beat and alive(beat):
        return f"driver {_process_line(beat)}"
    if finished:
        return "study is finished"
    last = f"; last driver {_process_line(beat)}" if beat else ""
    return f"no driver is running: resume with {shell_line('automl', 'resume', folder)}{last}"


def _place(trial: Trial, beat: Beat | None) -> str:
    if beat is None:
        return f"waits for a worker{f', last ran on {trial.node}' if trial.node else ''}"
    silent = "does not respond, " if _silence(beat) > SILENT_SECONDS else ""
    return f"{silent}{_process_line(beat)}, attempt {beat.attempt}"


def _process_line(beat: Beat) -> str:
    silence = duration(_silence(beat))
    return f"on {beat.node}, process {beat.process}, since {beat.since[:19]}Z, last heartbeat {silence} ago"


def _silence(beat: Beat) -> float:
    """Return the seconds since a heartbeat, by two clocks that may differ a little."""
    return max((datetime.now(UTC) - datetime.fromisoformat(beat.at)).total_seconds(), 0.0)


def _lost(trial: Trial) -> str:
    if not trial.losses:
        return ""
    last = trial.losses[-1]
    often = "once" if trial.retries == 1 else f"{trial.retries} times"
    return f"; lost its worker {often}, last after epoch {last.epoch}, {last.kind}: {last.cause}"


def _progress(trial: Trial, idle: Mapping[int, str], *, metric: str, epochs: int) -> list[str]:
    """Return number, state, epoch and best value of a trial."""
    value = trial.best(metric)
    return [
        str(trial.number),
        idle.get(trial.number, str(trial.state)),
        f"{trial.epoch}/{epochs}",
        "" if value is None else f"{value:.4f}",
    ]


def _time_left(trial: Trial, idle: Mapping[int, str], *, epochs: int) -> str:
    """Return the time until the last epoch of a trial that runs, else nothing."""
    if trial.state is State.RUNNING and trial.epoch and idle.get(trial.number) != State.PAUSED:
        return duration((epochs - trial.epoch) * trial.seconds / trial.epoch)
    return ""


def _against(top: Trial, trials: Sequence[Trial], metric: str) -> str:
    """Return the number of the best trial and the baseline's best value: `trial 5, baseline 0.0325`."""
    baseline = next((trial for trial in trials if trial.number == BASELINE), top)
    value = baseline.best(metric)
    text = f"trial {top.number}, the baseline" if top is baseline else f"trial {top.number}"
    return text if top is baseline or value is None else f"{text}, baseline {value:.4f}"


def _title(spec: StudySpec, trials: Sequence[Trial], idle: Mapping[int, str], elapsed: Elapsed) -> str:
    ended = sum(trial.ending is not None for trial in trials)
    paused_count = sum(state == State.PAUSED for state in idle.values())
    done = ended + paused_count  # most paused trials never resume
    top = leading(trials, spec.metric)
    best = (
        f", best {spec.objective_name} {top.best(spec.metric):.4f} ({_against(top, trials, spec.metric)})"
        if top
        else ""
    )
    waits = f", {paused_count} paused" if paused_count else ""
    left = remaining.summary(remaining.left(spec, trials, elapsed, done=done))
    spent = f"{duration(elapsed.seconds)}{', ' if left else ''}{left}"
    return f"{spec.name}: {ended} of {spec.budget.trials} trials ended{waits}{best}, {spent}"
