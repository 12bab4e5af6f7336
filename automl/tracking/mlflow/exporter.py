"""Listener that sends trainings to a tracking server of MLflow, from a thread of its own.

A study has one run, each trial and re-training a run below it. What waits to be sent is one snapshot per training, the
newest, so the queue is bounded by the number of trainings, and a server that is slow or away neither stops the study
nor loses an epoch. What the server has already is read from it, so a session that resumes continues the same runs.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from automl.storage.layout import TRIALS
from automl.study import Ending, State, Trial
from automl.tracking.mlflow import runs
from automl.tracking.mlflow.client import Client, Denied, Refused, Unreachable
from automl.tracking.mlflow.runs import Training

LOG: Final = logging.getLogger(__name__)

PAUSES: Final = (2.0, 5.0, 15.0, 60.0)
"""Seconds between attempts to reach a server that is away; the last one repeats."""
TERMINAL: Final = frozenset({"FINISHED", "FAILED", "KILLED"})
SHAPES: Final = (LookupError, TypeError, ValueError, AttributeError)
"""Errors on reading an answer that has another shape than MLflow's."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What the run of the study shows."""

    status: str
    """One of MLflow's."""
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    """Artifacts by name."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where runs are sent, and for which study."""

    study: str
    study_id: str
    """Unique to the study, and kept in its journal."""
    experiment: str
    client: Client


@dataclass(slots=True)
class _Sent:
    """What the server has of a run."""

    run: str
    artifacts: str
    epoch: int
    status: str
    tags: dict[str, str]
    params: bool

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "_Sent":
        info = plain["info"]
        return cls(
            run=str(info["run_id"]),
            artifacts=str(info.get("artifact_uri", "")),
            epoch=runs.last_epoch(plain),
            status=str(info.get("status", "")),
            tags=runs.tags_of(plain),
            params=bool(plain.get("data", {}).get("params")),
        )


@dataclass(slots=True)
class Exporter:
    """The runs of a study; a listener of trials and of re-trainings, in one session."""

    target: Target
    overview: Overview
    pauses: tuple[float, ...] = PAUSES
    clock: Callable[[], float] = time.time
    _pending: dict[str, Training | Overview] = field(default_factory=dict)
    """By name; the study's own has the empty name."""
    _names: dict[int, tuple[str, str]] = field(default_factory=dict)
    _running: dict[str, Training] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _known: dict[str, _Sent] | None = None
    _experiment: str = ""
    _trouble: str = ""
    _refused: set[str] = field(default_factory=set)

    def start(self, trainings: Iterable[Training]) -> None:
        """Start to send, beginning with the trainings of earlier sessions."""
        LOG.info(f"{self._shown}: runs are sent to the experiment {self.target.experiment}")
        self._pending[""] = self.overview
        self._pending |= {training.name: training for training in trainings}
        self._thread = threading.Thread(target=self._run, name="mlflow", daemon=True)
        self._thread.start()

    def on_start(self, trial: Trial, folder: Path) -> None:
        """Send that a training runs."""
        kind = "trial" if folder.parent.name == TRIALS else "retraining"
        self._names[trial.number] = folder.name, kind
        self._offer(trial, State.RUNNING)

    def on_measurement(self, trial: Trial) -> None:
        """Send the epochs that were not sent."""
        self._offer(trial, State.RUNNING)

    def on_pause(self, trial: Trial) -> None:
        """Send that a trial pauses."""
        self._offer(trial, State.PAUSED)

    def on_loss(self, trial: Trial) -> None:
        """Send that a training waits for a worker."""
        self._offer(trial, State.WAITING)

    def on_end(self, trial: Trial, ending: Ending) -> None:
        """Send how a training ended."""
        self._offer(trial, ending.state)

    def close(self) -> None:
        """Do nothing: the exporter serves all stages of a session, and `finish` ends it."""

    def finish(self, overview: Overview, *, seconds: float) -> int:
        """Send what is left, for so many seconds at most, and return how many runs are not sent completely."""
        with self._changed:
            waiting = {name: _waits(training) for name, training in self._running.items()}
            self._pending |= {"": overview, **waiting}
            self._ending.set()
            self._changed.notify()
        if self._thread:
            self._thread.join(seconds)
        with self._changed:
            left = len(self._pending)
        if left:
            LOG.warning(f"MLflow: {left} runs are not sent completely; `automl resume` sends the rest")
        return left

    def _offer(self, trial: Trial, state: State) -> None:
        name, kind = self._names[trial.number]
        training = Training(name, kind, trial, state)
        if state is State.RUNNING:
            self._running[name] = training
        else:
            self._running.pop(name, None)
        with self._changed:
            self._pending[name] = training
            self._changed.notify()

    def _run(self) -> None:
        """Send what is pending until the end of the session; with a server that is away, until one last attempt."""
        failures = 0
        while (item := self._next()) is not None:
            name, wanted = item
            last = self._ending.is_set()
            if self._attempt(name, wanted):
                failures = 0
                continue
            with self._changed:
                self._pending = {name: wanted} | self._pending  # a newer snapshot, if any, takes its place
            if last:
                return
            self._ending.wait(self.pauses[min(failures, len(self.pauses) - 1)])
            failures += 1

    def _next(self) -> tuple[str, Training | Overview] | None:
        """Wait for something to send, and take it; None once the session ends and nothing is left."""
        with self._changed:
            while not self._pending:
                if self._ending.is_set():
                    return None
                self._changed.wait()
            name = next(iter(self._pending))
            return name, self._pending.pop(name)

    def _attempt(self, name: str, wanted: Training | Overview) -> bool:
        """Send one run; return False if it must be tried again. What the server has is read again after an error."""
        try:
            self._send(name, wanted)
        except (Unreachable, Denied) as error:
            self._known = None
            if not self._trouble:
                LOG.warning(f"{self._shown}: {_described(error)}; the study continues, and runs are sent later")
            self._trouble = str(error) or "away"
            return False
        except (Refused, *SHAPES) as error:
            self._known = None
            if name not in self._refused:
                self._refused.add(name)
                LOG.warning(f"{self._shown}: run {name or self.target.study} is refused: {_reason(error)}")
            return True
        if self._trouble:
            LOG.info(f"{self._shown}: answers again; what was measured meanwhile is sent now")
        self._trouble = ""
        return True

    @property
    def _shown(self) -> str:
        return f"MLflow server {self.target.client.uri}"

    def _send(self, name: str, wanted: Training | Overview) -> None:
        study = self._found("", {"automl.kind": "study"}, self.overview.params)
        if isinstance(wanted, Overview):
            self._send_overview(study, wanted)
            return
        sent = self._found(name, wanted.tags(self.target.study) | {runs.PARENT: study.run}, wanted.params())
        now = round(self.clock() * 1000)
        for batch in runs.metric_batches(wanted.trial.measurements, after=sent.epoch, now=now):
            self.target.client.log(sent.run, batch)
        sent.epoch = max(sent.epoch, wanted.trial.epoch)
        self._tag(sent, wanted.ending())
        self._set_status(sent, runs.STATUS[wanted.state])

    def _send_overview(self, sent: _Sent, wanted: Overview) -> None:
        if any(sent.tags.get(name) != value for name, value in wanted.tags.items()):
            now = round(self.clock() * 1000)
            points = [{"key": runs.safe(key), "value": value, "timestamp": now, "step": 0}
                      for key, value in wanted.metrics.items()]  # fmt: skip
            if points:
                self.target.client.log(sent.run, {"metrics": points})
            for name, path in wanted.files.items():
                self._upload(sent, name, path)
            self._tag(sent, wanted.tags)
        self._set_status(sent, wanted.status)

    def _upload(self, sent: _Sent, name: str, path: Path) -> None:
        try:
            content = path.read_bytes()
        except OSError as error:
            LOG.warning(f"MLflow: {path} is not sent: {error.strerror}")
            return
        if not self.target.client.upload(sent.artifacts, name, content):
            LOG.info(f"{self._shown} does not store artifacts itself (--serve-artifacts): {path} is not sent")

    def _found(self, name: str, tags: Mapping[str, str], params: Mapping[str, str]) -> _Sent:
        """Return a run as the server has it; created, with its params, if it is missing."""
        client, own = self.target.client, {runs.STUDY_ID: self.target.study_id}
        if self._known is None:
            self._experiment = client.experiment(self.target.experiment)
            found = [_Sent.of(plain) for plain in client.runs(self._experiment, own)]
            self._known = {sent.tags.get(runs.NAME, ""): sent for sent in found}
        if name not in self._known:
            now = round(self.clock() * 1000)
            named = {**own, **tags, "automl.study": self.target.study, "mlflow.source.name": "automl"}
            created = client.create(self._experiment, name=name or self.target.study, start=now, tags=named)
            self._known[name] = _Sent.of(created)
        sent = self._known[name]
        if not sent.params:
            for batch in runs.param_batches(params):
                client.log(sent.run, batch)
            sent.params = True
        return sent

    def _tag(self, sent: _Sent, tags: Mapping[str, str]) -> None:
        new = {name: value for name, value in tags.items() if sent.tags.get(name) != value}
        if new:
            self.target.client.log(sent.run, {"tags": [{"key": key, "value": value} for key, value in new.items()]})
            sent.tags |= new

    def _set_status(self, sent: _Sent, status: str) -> None:
        if sent.status != status:
            end = round(self.clock() * 1000) if status in TERMINAL else None
            self.target.client.update(sent.run, status=status, end=end)
            sent.status = status


def _waits(training: Training) -> Training:
    return Training(training.name, training.kind, training.trial, State.WAITING)


def _described(error: Exception) -> str:
    if isinstance(error, Denied):
        remedy = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        return f"does not accept the credentials ({error}); {remedy}"
    return f"cannot be reached ({error})"


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, Refused) else f"its answer has an unknown form ({type(error).__name__})"
