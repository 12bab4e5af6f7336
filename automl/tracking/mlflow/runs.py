"""Runs of MLflow: a training as params, tags, batches of metrics and a status. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from automl.study import Measurement, State, Trial

Plain = dict[str, Any]

MOST_METRICS: Final = 1000
"""Limit of MLflow for one batch."""
MOST_PARAMS: Final = 100
LONGEST_NAME: Final = 250
LONGEST_VALUE: Final = 5000
SECONDS: Final = "seconds_per_epoch"
"""Metric that ends an epoch: one with it was sent whole."""
STUDY_ID: Final = "automl.study_id"
"""Tag that all runs of one study share, also after it was moved or renamed."""
NAME: Final = "automl.training"
"""Tag by which a run is found again."""
STATE: Final = "automl.state"
PARENT: Final = "mlflow.parentRunId"
STATUS: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.WAITING: "SCHEDULED",
        State.RUNNING: "RUNNING",
        State.PAUSED: "SCHEDULED",
        State.COMPLETED: "FINISHED",
        State.PRUNED: "FINISHED",
        State.FAILED: "FAILED",
    }
)
"""A pruned trial is no failure; the tag `automl.state` has our own word."""


@dataclass(frozen=True, slots=True)
class Training:
    """What a run is to show: a trial or a re-training as it is now."""

    name: str
    """Name of its folder, unique in the study."""
    kind: str
    trial: Trial
    state: State

    def tags(self, study: str) -> dict[str, str]:
        """Return the tags that never change."""
        number = {"automl.trial": str(self.trial.number)} if self.kind == "trial" else {}
        return {"automl.study": study, NAME: self.name, "automl.kind": self.kind, **number}

    def ending(self) -> dict[str, str]:
        """Return the tags that say how it ended, or its present state."""
        tags = {STATE: str(self.state)}
        if ending := self.trial.ending:
            tags |= {"automl.end_reason": str(ending.reason), "automl.end_text": ending.text[:LONGEST_VALUE]}
        return tags | ({"automl.worker_losses": str(self.trial.retries)} if self.trial.retries else {})

    def params(self) -> dict[str, str]:
        """Return the params."""
        return {name: str(value) for name, value in {**self.trial.params, "seed": self.trial.seed}.items()}


def safe(name: str) -> str:
    """Return a name as MLflow accepts it.

    >>> safe("val/map50_95"), safe("class_ap50/bolt #2")
    ('val/map50_95', 'class_ap50/bolt _2')
    """
    return re.sub(r"[^\w./ -]", "_", name, flags=re.ASCII)[:LONGEST_NAME]


def param_batches(params: Mapping[str, str]) -> Iterator[Plain]:
    """Yield params as batches for `runs/log-batch`."""
    pairs = [{"key": safe(name), "value": value[:LONGEST_VALUE]} for name, value in params.items()]
    for first in range(0, len(pairs), MOST_PARAMS):
        yield {"params": pairs[first : first + MOST_PARAMS]}


def metric_batches(measurements: Sequence[Measurement], *, after: int, now: int) -> Iterator[Plain]:
    """Yield the epochs after a given one as batches for `runs/log-batch`, in order; `now` is in milliseconds.

    An epoch's time ends it, so that an epoch whose time is on the server is there as a whole.

    >>> [*metric_batches([Measurement(1, {"val/map50": 0.5}, 2.0)], after=1, now=0)]
    []
    """
    points = [
        {"key": safe(name), "value": value, "timestamp": now, "step": measurement.epoch}
        for measurement in measurements
        if measurement.epoch > after
        for name, value in {**measurement.metrics, SECONDS: measurement.seconds}.items()
    ]
    for first in range(0, len(points), MOST_METRICS):
        yield {"metrics": points[first : first + MOST_METRICS]}


def last_epoch(run: Mapping[str, Any]) -> int:
    """Return the last epoch that a run has as a whole, 0 for none.

    >>> last_epoch({"data": {"metrics": [{"key": SECONDS, "value": 2.0, "step": "4"}]}}), last_epoch({"data": {}})
    (4, 0)
    """
    points = run.get("data", {}).get("metrics", ())
    return max((int(point.get("step", 0)) for point in points if point["key"] == SECONDS), default=0)


def tags_of(run: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a run."""
    return {tag["key"]: tag["value"] for tag in run.get("data", {}).get("tags", ())}
