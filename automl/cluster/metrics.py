"""Prometheus metrics of a study for operators: a listener of its trainings that sets gauges and counters of Ray.

Ray exports them, with the prefix `ray_`, at the metrics port of the node on which the driver runs, beside its own
metrics of nodes and GPUs. No label has one value per trial, so a study has the same number of series at any length.
"""

import time
from collections import Counter as Count
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ray.util.metrics import Counter, Gauge

from automl.study import Ending, Kind, State, Trial

PREFIX: Final = "automl_"
TRIAL: Final = "trial"
RETRAINING: Final = "retraining"
EXPORTED_PREFIX: Final = f"ray_{PREFIX}"
"""Prefix under which Prometheus sees a metric."""

GAUGES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "trainings": ("Trainings in a state: trials, or re-trainings of the confirmation.", ("kind", "state")),
        "trainings_asked": ("Trainings that the study asks for.", ("kind",)),
        "trainings_queued": ("Trainings that have no worker and are to get one: new ones, and interrupted.", ("kind",)),
        "worker_losses": ("Losses of workers in all sessions of the study.", ("kind", "cause")),
        "best_objective_ratio": ("Best value of the objective among the trials, 0 to 1.", ("objective",)),
        "gpus_reserved": ("GPUs that running trainings hold.", ("kind",)),
        "last_epoch_timestamp_seconds": ("Unix time at which the last epoch was reported.", ()),
    }
)
"""Name without prefix to description and labels; each has the label `study` as well.

Losses are a gauge, since a counter of Ray can neither be 0 nor continue from an earlier session.
"""
COUNTERS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "epochs": ("Epochs reported in this session.", ("kind",)),
        "training_seconds": ("Seconds of these epochs, validation included.", ("kind",)),
    }
)
"""As `GAUGES`; Prometheus sees them with the suffix `_total`."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What the metrics of one stage are about."""

    study: str
    kind: str
    """`trial` or `retraining`."""
    metric: str
    """The tag that is maximised."""
    asked: int
    """Trainings that the stage asks for."""
    gpus: float
    """GPUs of each."""


@dataclass(slots=True)
class StudyMetrics:
    """Listener that keeps the metrics of the trials or of the re-trainings of a study; Ray must be connected."""

    about: Watched
    clock: Callable[[], float] = time.time
    _trials: dict[int, Trial] = field(default_factory=dict)
    _states: dict[int, State] = field(default_factory=dict)
    _best: float | None = None
    _gauges: dict[str, Any] = field(init=False)
    _counters: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Register the metrics with Ray."""
        self._gauges = {name: _made(Gauge, name, *about) for name, about in GAUGES.items()}
        self._counters = {name: _made(Counter, name, *about) for name, about in COUNTERS.items()}

    def restore(self, trials: Sequence[Trial], states: Mapping[int, State]) -> None:
        """Start from the trainings of earlier sessions; `states` has those that have not ended."""
        for trial in trials:
            self._count(trial, trial.ending.state if trial.ending else states[trial.number])
        self._show()

    def on_start(self, trial: Trial, folder: Path) -> None:  # noqa: ARG002
        """Count a training as running."""
        self._record(trial, State.RUNNING)

    def on_measurement(self, trial: Trial) -> None:
        """Count an epoch."""
        tags = {"study": self.about.study, "kind": self.about.kind}
        self._counters["epochs"].inc(1, tags)
        if (seconds := trial.measurements[-1].seconds) > 0:
            self._counters["training_seconds"].inc(seconds, tags)
        self._gauges["last_epoch_timestamp_seconds"].set(self.clock(), {"study": self.about.study})
        self._record(trial, State.RUNNING)

    def on_pause(self, trial: Trial) -> None:
        """Count a trial as paused."""
        self._record(trial, State.PAUSED)

    def on_loss(self, trial: Trial) -> None:
        """Count a loss, and the training as waiting."""
        self._record(trial, State.WAITING)

    def on_end(self, trial: Trial, ending: Ending) -> None:
        """Count a training as ended."""
        self._record(trial, ending.state)

    def close(self) -> None:
        """Count the trainings that run as waiting: the stage is over, or is interrupted."""
        for number, state in self._states.items():
            if state is State.RUNNING:
                self._states[number] = State.WAITING
        self._show()

    def _record(self, trial: Trial, state: State) -> None:
        self._count(trial, state)
        self._show()

    def _count(self, trial: Trial, state: State) -> None:
        self._trials[trial.number], self._states[trial.number] = trial, state
        value = trial.best(self.about.metric)
        if value is not None and (self._best is None or value > self._best):
            self._best = value

    def _show(self) -> None:
        """Set all gauges; Ray sends their last values every few seconds."""
        kind, states = self.about.kind, Count(self._states.values())
        losses = Count(loss.kind for trial in self._trials.values() for loss in trial.losses)
        for state in State:
            self._set("trainings", states[state], kind=kind, state=str(state))
        for cause in Kind:
            self._set("worker_losses", losses[cause], kind=kind, cause=str(cause))
        self._set("trainings_asked", self.about.asked, kind=kind)
        new = max(0, self.about.asked - len(self._trials))
        self._set("trainings_queued", new + states[State.WAITING], kind=kind)
        self._set("gpus_reserved", states[State.RUNNING] * self.about.gpus, kind=kind)
        if kind == TRIAL and self._best is not None:
            self._set("best_objective_ratio", self._best, objective=self.about.metric.removeprefix("val/"))

    def _set(self, name: str, value: float, **tags: str) -> None:
        self._gauges[name].set(value, {"study": self.about.study, **tags})


def _made(kind: Any, name: str, description: str, labels: tuple[str, ...]) -> Any:  # noqa: ANN401
    return kind(PREFIX + name, description=description, tag_keys=("study", *labels))
