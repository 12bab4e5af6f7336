"""Prometheus metrics of a study for operators: a listener of its trainings that sets gauges and counters of Ray.

Ray exports them, with the prefix `ray_`, at the metrics port of the node on which the driver runs, beside its own
metrics of nodes and GPUs. No label has one value per trial, so a study has the same number of series at any length.
"""

import threading
import time
from collections import Counter as Count
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ray.util.metrics import Counter, Gauge

from automl.study import Ending, Kind, State, Trial

PREFIX: Final = "automl_"
TRIAL: Final = "trial"
RETRAINING: Final = "retraining"
REPEAT_SECONDS: Final = 5.0
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


class Shown:
    """The last value of each gauge of this process, set again every few seconds while Ray is connected.

    Ray exports a gauge only for some seconds after it was set, but an epoch may take an hour.
    """

    def __init__(self) -> None:
        """Start without any."""
        self._lock = threading.Lock()
        self._values: dict[tuple[str, ...], tuple[Any, float, dict[str, str]]] = {}

    def show(self, name: str, gauge: Any, *, value: float, tags: dict[str, str]) -> None:  # noqa: ANN401
        """Set a gauge, now and from now on."""
        with self._lock:
            self._values[(name, *(f"{key}={tags[key]}" for key in sorted(tags)))] = (gauge, value, tags)
            gauge.set(value, tags)

    def repeat(self) -> None:
        """Set all gauges to their last values."""
        with self._lock:
            for gauge, value, tags in self._values.values():
                gauge.set(value, tags)

    @contextmanager
    def repeated(self, every: float = REPEAT_SECONDS) -> Iterator[None]:
        """Repeat the values in a thread during a block, which must end before Ray is disconnected; then forget them."""
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(every):
                self.repeat()

        thread = threading.Thread(target=work, name="metrics", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            with self._lock:
                self._values.clear()


SHOWN: Final = Shown()


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
    gpus: Callable[[Trial], float]
    """Returns the GPUs that a training holds while it runs."""


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
        self._set("last_epoch_timestamp_seconds", self.clock())
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
        """Set all gauges."""
        kind, states = self.about.kind, Count(self._states.values())
        losses = Count(loss.kind for trial in self._trials.values() for loss in trial.losses)
        for state in State:
            self._set("trainings", states[state], kind=kind, state=str(state))
        for cause in Kind:
            self._set("worker_losses", losses[cause], kind=kind, cause=str(cause))
        self._set("trainings_asked", self.about.asked, kind=kind)
        new = max(0, self.about.asked - len(self._trials))
        self._set("trainings_queued", new + states[State.WAITING], kind=kind)
        running = (number for number, state in self._states.items() if state is State.RUNNING)
        self._set("gpus_reserved", sum(self.about.gpus(self._trials[number]) for number in running), kind=kind)
        if kind == TRIAL and self._best is not None:
            self._set("best_objective_ratio", self._best, objective=self.about.metric.removeprefix("val/"))

    def _set(self, name: str, value: float, **tags: str) -> None:
        SHOWN.show(name, self._gauges[name], value=value, tags={"study": self.about.study, **tags})


def _made(kind: Any, name: str, description: str, labels: tuple[str, ...]) -> Any:  # noqa: ANN401
    return kind(PREFIX + name, description=description, tag_keys=("study", *labels))
