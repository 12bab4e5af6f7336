"""What operators watch of a study: Prometheus metrics at Ray's metrics port, and runs on a server of MLflow."""

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from automl.cluster.exit import STOPPED, noticed
from automl.cluster.metrics import RETRAINING, TRIAL, StudyMetrics, Watched
from automl.pipeline.session import Session
from automl.storage import job_file
from automl.storage.journal import Journal
from automl.storage.layout import CONFIRM, REPORT, VERDICT, trial_folder
from automl.study import Ending, Job, State, Trial
from automl.study.errors import AutomlError, Interrupted
from automl.study.spec import LadderSpec
from automl.tracking import status, study_status
from automl.tracking.mlflow.client import Client
from automl.tracking.mlflow.exporter import Exporter, Overview, Target
from automl.tracking.mlflow.runs import LONGEST_VALUE, STATE, Training
from automl.tracking.notification import Notifier
from automl.trials import retry
from automl.trials.jobs import RunContext

STUDY_ID: Final = "study_id"
"""Journal key of the id by which a server finds the runs of the study again."""
FINISH_SECONDS: Final = 60.0
"""Limit for sending what is left at the end of a study; one that is interrupted has less."""
STOP_SECONDS: Final = 5.0


def trial_metrics(context: RunContext, trials: list[Trial]) -> StudyMetrics:
    """Return the metrics of the trials, those of earlier sessions included."""
    spec = context.spec

    def gpus(trial: Trial) -> float:
        return retry.share(context.demand(trial.params).gpus, trial.losses)

    metrics = StudyMetrics(Watched(spec.name, TRIAL, spec.metric, spec.budget.trials, gpus))
    metrics.restore(trials, _unended(spec.ladder, trials))
    return metrics


def retraining_metrics(session: Session, jobs: Mapping[str, Job]) -> StudyMetrics:
    """Return the metrics of the re-trainings of all rounds so far; `jobs` are those of the present one."""
    spec, known = (
        session.spec,
        {training.name: training.trial for training in _retrainings(session.folder, session.journal)},
    )
    names, numbered = {*known, *jobs}, {job.number: job for job in jobs.values()}

    def gpus(trial: Trial) -> float:
        return retry.share(numbered[trial.number].gpus, trial.losses) if trial.number in numbered else 0.0

    metrics = StudyMetrics(Watched(spec.name, RETRAINING, spec.metric, len(names), gpus))
    trials = [*known.values()]
    metrics.restore(trials, dict.fromkeys((trial.number for trial in trials), State.WAITING))
    return metrics


@contextmanager
def exporting(session: Session) -> Iterator[None]:
    """Send the runs of a session to MLflow during a block, if the description names a server."""
    if (exporter := _exporter(session)) is None:
        yield
        return
    session.watchers = (*session.watchers, exporter)
    exporter.start(_trainings(session))
    status_at_end, seconds = "SCHEDULED", STOP_SECONDS
    try:
        yield
        status_at_end, seconds = "FINISHED", FINISH_SECONDS
    except Interrupted:
        raise
    except AutomlError:
        status_at_end = "FAILED"
        raise
    finally:
        exporter.finish(_overview(session, status_at_end), seconds=seconds)


@dataclass(slots=True)
class Unsent:
    """Stands in for a notifier where nothing is sent."""

    lines: tuple[str, ...] = ()


@contextmanager
def notifying(session: Session) -> Iterator[Notifier | Unsent]:
    """Send notifications of a session during a block, if the description asks for them and the study is not over.

    Also where the process exits at once: the cluster is lost, or Ray does not answer after a stop.
    """
    if session.spec.notify is None or session.journal.notes().get("promotion"):
        yield Unsent()
        return
    notifier = Notifier(session.spec.notify, session.spec.name, session.folder)
    with notifier, noticed(lambda text, code: notifier.ended_at_once(text, stopped=code == STOPPED)):
        yield notifier


def _exporter(session: Session) -> Exporter | None:
    server, journal = session.spec.tracking.mlflow, session.journal
    if server is None:
        return None
    if not (study_id := journal.notes().get(STUDY_ID)):
        study_id = uuid.uuid4().hex
        journal.note(STUDY_ID, study_id)
    client = Client(server.uri, os.environ)
    return Exporter(Target(session.spec.name, str(study_id), server.experiment, client), _overview(session, "RUNNING"))


def _overview(session: Session, status_now: str) -> Overview:
    """Return what the study's run shows: its description, and the verdict once there is one."""
    spec, verdict = session.spec, study_status.verdict_in(session.journal.notes())
    plain: dict[str, Any] = {
        "model": spec.model, "data": spec.data, "objective": spec.objective_name, "seed": spec.seed,
        "trials": spec.budget.trials, "min_epochs": spec.ladder.min_epochs, "max_epochs": spec.ladder.max_epochs,
        **{f"train.{name}": value for name, value in spec.train.items()},
    }  # fmt: skip
    params = {name: str(value) for name, value in plain.items()}
    if verdict is None:
        return Overview(status_now, {STATE: status_now}, params)
    shipped = verdict.shipped
    tags = {
        STATE: "FINISHED",
        "automl.accepted": str(verdict.accepted).lower(),
        "automl.reasons": "; ".join(verdict.reasons),
        "automl.version": str(verdict.version or ""),
        "automl.shipped": shipped.name if shipped else "",
    }
    tags = {name: value[:LONGEST_VALUE] for name, value in tags.items() if value}
    metrics = {f"shipped/{verdict.split}/{spec.objective_name}": shipped.score.value} if shipped else {}
    files = {name: session.folder / name for name in (VERDICT, REPORT)}
    return Overview("FINISHED", tags, params, metrics, files)


def _trainings(session: Session) -> list[Training]:
    """Return the trials and re-trainings of earlier sessions."""
    trials, model = session.journal.trials(), session.spec.model
    unended = _unended(session.spec.ladder, trials)
    found = [
        Training(trial_folder(session.folder, trial, model).name, TRIAL, trial, _state(trial, unended))
        for trial in trials
    ]
    return [*found, *_retrainings(session.folder, session.journal)]


def _unended(ladder: LadderSpec, trials: list[Trial]) -> dict[int, State]:
    paused = status.idle_states(trials, ladder)
    return {
        trial.number: State.PAUSED if trial.number in paused else State.WAITING for trial in trials if not trial.ending
    }


def _state(trial: Trial, unended: Mapping[int, State]) -> State:
    return trial.ending.state if trial.ending else unended[trial.number]


def _retrainings(study: Path, journal: Journal) -> list[Training]:
    """Return the re-trainings that began, from their job files and the journal."""
    found = []
    notes = journal.notes()
    for folder in sorted((study / CONFIRM).glob("*/")):
        try:
            job = job_file.read(folder)
        except AutomlError:  # the confirmation rewrites it
            continue
        trial = Trial(
            job.number, job.params, job.seed, journal.retraining_measurements(folder.name),
            losses=journal.retraining_losses(folder.name),
        )  # fmt: skip
        if plain := notes.get(f"confirm:{folder.name}"):
            trial = replace(trial, ending=Ending.from_dict(plain))
        found.append(Training(folder.name, RETRAINING, trial, trial.ending.state if trial.ending else State.WAITING))
    return found
