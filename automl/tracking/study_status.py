"""Status of a study as records: for `automl status --json`, the Python API and the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl.hpo import expected_gain
from automl.storage import alias_history
from automl.storage.journal import Journal
from automl.storage.layout import TRIALS, trial_folder
from automl.storage.place import Place
from automl.study import ParamValue, State, Trial, packing
from automl.study.errors import RegistryError
from automl.study.extension import history
from automl.study.plain_values import TEXT_ONLY
from automl.study.spec import LadderSpec, StudySpec
from automl.study.text import View, one_line, shown, trial_name
from automl.study.verdict import Verdict
from automl.tracking import status, structure_table
from automl.tracking.diagnosis import findings_file
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.structure_table import StructureRow
from automl.trials import commands, enqueued, heartbeat
from automl.trials.budget import rate_of
from automl.trials.heartbeat import Beat
from automl.trials.job_clock import Elapsed, Stage

TrialRecord = dict[str, ParamValue | None]
"""One trial as a flat record, the same keys for each trial of a study: `number`, `state`, `epoch`, `value` (the best of
the objective so far), `seconds`, `reason` (why it ended), `retries`, `origin` (of its params, such as `enqueued`),
`seed`, `node`, `folder`, and `params_<name>`."""


@dataclass(frozen=True, slots=True)
class StudyStatus:
    """Status of a study, from its folder alone."""

    name: str
    folder: Path
    objective: str
    finished: bool
    """Whether it has a verdict."""
    running: bool
    """Whether a driver process has a recent heartbeat."""
    driver: Beat | None
    """The last heartbeat of the driver."""
    budget: int
    """Maximum number of trials."""
    ended: int
    paused: int
    best_value: float | None
    seconds: float
    """Wall-clock seconds of the whole job so far."""
    stages: Mapping[str, float]
    """Maps a stage to its share of these seconds."""
    trials: tuple[TrialRecord, ...]
    verdict: Verdict | None
    messages: tuple[str, ...]
    """Lines on trials that run or lost a worker, on re-trainings, on shared GPUs and on the verdict."""
    findings: tuple[Finding, ...]
    """What the diagnosis found in the study, its trials and re-trainings, while it holds."""
    structures: tuple[StructureRow, ...]
    """Models and image sizes with what they cost on the targets of the objective; empty where it names none."""
    enqueued: tuple[Mapping[str, Any], ...]
    """Params that a user asked to be tried next and no trial has taken: `params`, `by`, `at`."""
    changes: tuple[Mapping[str, Any], ...]
    """Changes of the description after the study began: `at`, `by`, and `keys` to the values before and after."""
    driver_text: str = field(metadata=TEXT_ONLY)
    structure_lines: tuple[str, ...] = field(metadata=TEXT_ONLY)
    table: View = field(repr=False, metadata=TEXT_ONLY)
    """The table of the terminal."""

    def __str__(self) -> str:
        """Return the status as lines, without the table of trials."""
        lines = (self.table.title, self.driver_text, *self.messages, *self.structure_lines, *self.finding_lines())
        return "\n".join(map(one_line, lines))

    def finding_lines(self) -> list[str]:
        """Return the findings as lines below a title, one line a kind; empty if there is none."""
        lines = findings_file.grouped(self.findings)
        return ["findings:", *(f"  {line}" for line in lines)] if lines else []


def records(trials: Sequence[Trial], idle: Mapping[int, str], *, metric: str, model: str) -> list[TrialRecord]:
    """Return the trials as flat records, which `pandas.DataFrame` accepts; `idle` as in the table."""
    names = dict.fromkeys(name for trial in trials for name in trial.params)
    return [
        {
            "number": trial.number,
            "state": idle.get(trial.number, str(trial.state)),
            "epoch": trial.epoch,
            "value": trial.best(metric),
            "seconds": trial.seconds,
            "reason": trial.ending.text if trial.ending else "",
            "retries": trial.retries,
            "origin": trial.origin,
            "seed": trial.seed,
            "node": trial.node,
            "folder": f"{TRIALS}/{trial_name(trial, model)}",
            **{f"params_{name}": trial.params.get(name) for name in names},
        }
        for trial in trials
    ]


def read(folder: Path, spec: StudySpec, *, shown: str = "") -> StudyStatus:
    """Return the status of the study in a folder; `shown` is the folder's name in suggested commands.

    Raises:
        StudyError: the folder has no journal.
    """
    journal = Journal.read(folder, metric=spec.metric)
    trials, notes = journal.trials(), journal.notes()
    beat = heartbeat.read(folder)
    with journal.interpreted():
        elapsed = status.with_driver(Elapsed.from_notes(notes), beat)
        verdict = verdict_in(notes)
        changes = tuple(change.to_dict() for change in history(notes))
        queue = (*enqueued.pending(notes, trials), *_unread(folder))
        packings = packing.lines(notes)
    beats = _beats(folder, trials, model=spec.model)
    idle = status.idle_states(trials, spec.ladder, beats=beats, driven=status.alive(beat))
    found = records(trials, idle, metric=spec.metric, model=spec.model)
    values = [value for trial in trials if (value := trial.best(spec.metric)) is not None]
    return StudyStatus(
        name=spec.name,
        folder=folder,
        objective=spec.objective_name,
        finished=verdict is not None,
        running=status.alive(beat),
        driver=beat,
        budget=spec.budget.trials,
        ended=sum(trial.state is not State.RUNNING for trial in trials),
        paused=sum(record["state"] == State.PAUSED for record in found),
        best_value=max(values, default=None),
        seconds=elapsed.seconds,
        stages=elapsed.stages,
        trials=tuple(found),
        verdict=verdict,
        messages=(
            *journal.warnings,
            *_next_hour(spec, trials, elapsed),
            *status.where(trials, spec.ladder, notes=notes, beats=beats),
            *packings,
            *_requests(queue, notes),
            *_overrides(folder, spec.champion_name, verdict),
        ),
        findings=tuple(findings_file.of_study(folder, spec, trials)),
        structures=structure_table.rows(spec, notes, trials),
        structure_lines=tuple(structure_table.lines(spec, notes, trials)),
        enqueued=queue,
        changes=changes,
        driver_text=status.driver(beat, finished=verdict is not None, folder=shown or str(folder)),
        table=status.of_trials(spec, trials, elapsed=elapsed, idle=idle),
    )


def records_in(
    folder: Path, trials: Sequence[Trial], *, ladder: LadderSpec, metric: str, model: str
) -> list[TrialRecord]:
    """Return the trials of the study in a folder as flat records, those that wait for a worker as such."""
    driven = status.alive(heartbeat.read(folder))
    idle = status.idle_states(trials, ladder, beats=_beats(folder, trials, model=model), driven=driven)
    return records(trials, idle, metric=metric, model=model)


def verdict_in(notes: Mapping[str, Any]) -> Verdict | None:
    """Return the published verdict in a journal's notes, None before there is one."""
    plain = notes.get("promotion")
    return Verdict.from_dict(plain) if plain else None


def _next_hour(spec: StudySpec, trials: Sequence[Trial], elapsed: Elapsed) -> list[str]:
    """Return a line on what another hour of the search is expected to gain, while it searches."""
    if elapsed.stage != Stage.SEARCH or not elapsed.places or spec.rate:
        return []
    gain = expected_gain.next_hour(trials, metric=spec.metric, rate=rate_of(spec, elapsed.places))
    return [f"another hour: {gain} {spec.objective_name} expected"] if gain else []


def _unread(folder: Path) -> list[dict[str, Any]]:
    """Return the params in commands that no driver has executed."""
    return [
        {"params": command.content.get("params", {}), "by": command.by, "at": command.at}
        for command in commands.waiting(folder)
        if command.kind is commands.Kind.ENQUEUE
    ]


def _requests(queue: Sequence[Mapping[str, Any]], notes: Mapping[str, Any]) -> list[str]:
    """Return a line on each entry of the queue and on each change of the description."""
    lines = [f"enqueued by {entry['by']}: {shown(entry['params'])}" for entry in queue]
    return lines + [f"changed at {change.at[:19]}Z by {change.by}: {change.text}" for change in history(notes)]


def _overrides(folder: Path, name: str, verdict: Verdict | None) -> list[str]:
    """Return a line on each time that the version of a study was promoted although its gates refused it."""
    registry = Place(folder.parents[1]).registry(name)
    if verdict is None or verdict.version is None or not registry.folder.is_dir():
        return []
    try:
        found = alias_history.overrides(registry.records()[1])
    except RegistryError as error:
        return [f"registry: {error}"]
    texts = map(alias_history.override_text, found.get(verdict.version, ()))
    return [f"OVERRIDE: {name} version {verdict.version}: its gates refused it; promoted {text}" for text in texts]


def _beats(folder: Path, trials: Sequence[Trial], *, model: str) -> dict[int, Beat | None]:
    return {trial.number: heartbeat.present(trial_folder(folder, trial, model)) for trial in trials if not trial.ending}
