"""Trial records: trials, measurements, end reasons, and the interface for reports of a worker."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from math import isfinite
from typing import Any, Self

from automl.study.plain_values import LONGEST, NUMBERS, well_typed

ParamValue = float | int | str | bool
Params = Mapping[str, ParamValue]


class EndReason(StrEnum):
    """Why a trial ended. Decisions depend on this, never on the text of a cause."""

    EPOCHS = "epochs"
    """It was trained to the last epoch."""
    RUNG = "rung"
    """It did not advance from its rung."""
    BUDGET = "budget"
    """The time or GPU-hour budget of the search was spent."""
    CONTRACT = "contract"
    """Another trial holds the contract of the study on val, which ends the search."""
    GAIN = "expected gain"
    """The search ended since another hour was expected to gain less than `budget.min_gain_per_hour`."""
    QUOTA = "quota"
    """Its weights were deleted to free space in the study's folder."""
    CHANGED = "changed"
    """It was not trained as requested, such as with a halved batch."""
    CRASH = "crash"
    """Its training failed."""
    MEMORY = "memory"
    """Memory ran out on its GPU, or its process was ended twice because a node's memory ran out."""
    NOT_FINITE = "not finite"
    """A loss or metric was not finite."""
    LOST = "lost"
    """Its worker was lost too often, which says nothing about the params."""
    CANCELED = "canceled"
    """A user canceled it, which says nothing about the params."""
    DATA = "data"
    """Its images could not be read as they were staged, which says nothing about the params."""


class Kind(StrEnum):
    """Why a trial lost its worker."""

    NODE = "node"
    """Its node was lost or reclaimed."""
    WORKER = "worker"
    """Its process died for an unknown reason."""
    HUNG = "hung"
    """No heartbeat was received for too long."""
    MEMORY = "memory"
    """Its process was ended because the node's memory ran out, or memory ran out on the GPU that it shared."""
    OWN = "own"
    """Its training failed by itself, in a way that says nothing about the params."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One loss of a trial's worker."""

    kind: Kind
    cause: str
    epoch: int = 0
    """The last epoch measured before."""
    node: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return well_typed(cls(**{**plain, "kind": Kind(plain["kind"])}))


class State(StrEnum):
    """State of a trial, derived from facts."""

    WAITING = "WAITING"
    """Unfinished and without a worker: interrupted, or its worker was lost."""
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    """At a rung, until it advances or the search ends."""
    COMPLETED = "COMPLETED"
    PRUNED = "PRUNED"
    FAILED = "FAILED"


class Answer(StrEnum):
    """Decision after a reported epoch."""

    CONTINUE = "CONTINUE"
    PAUSE = "PAUSE"
    """Release the worker; the checkpoint stays, and the trial may resume later."""
    STOP = "STOP"


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measurement of one epoch."""

    epoch: int
    """1 for the first epoch."""
    metrics: Mapping[str, float]
    """Tag, such as `val/map50_95`, to value; finite numbers only. After an epoch that was not validated there is no
    tag of validation: use `get`."""
    seconds: float
    """Wall-clock seconds of the epoch, its validation, if any, included."""
    changed: str = ""
    """Deviation from the requested training, such as a batch that did not fit and was halved; empty if none."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        plain = {"epoch": self.epoch, "metrics": dict(self.metrics), "seconds": self.seconds}
        return plain | ({"changed": self.changed} if self.changed else {})

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], *, epoch: int | None = None) -> Self:
        """Read what `to_dict` wrote; `epoch` replaces the one recorded there."""
        found, seconds = plain["metrics"], plain["seconds"]
        metrics = found if type(found) is dict else dict(found)
        number = plain["epoch"] if epoch is None else epoch
        values = metrics.values()
        if not NUMBERS.issuperset(map(type, values)) or type(seconds) not in NUMBERS or type(number) is not int:
            raise TypeError(f"epoch, seconds and metrics must be numbers, but are {plain!r}"[:LONGEST])
        if not all(map(isfinite, values)):
            raise ValueError(f"metrics must be finite, but are {plain!r}"[:LONGEST])
        return cls(number, metrics, float(seconds), str(plain["changed"]) if "changed" in plain else "")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a trial ended: exactly one of the three facts is set."""

    cause: str = ""
    """Why it failed."""
    pruned: str = ""
    """Why it was stopped early."""
    final: Measurement | None = None
    """The evaluation of its `best.pt` after the last epoch."""
    again: bool = False
    """The failure may be transient, so the trial is retried."""
    kind: EndReason | None = None
    """End reason, where the fact that is set does not imply it; see `reason`."""

    def __post_init__(self) -> None:
        """Check that exactly one fact is set."""
        if bool(self.cause) + bool(self.pruned) + (self.final is not None) != 1:
            raise ValueError(f"exactly one of cause, pruned and final must be given, but got {self}")

    @property
    def state(self) -> State:
        """Derive the state from the facts, so that the two cannot disagree."""
        if self.cause:
            return State.FAILED
        return State.COMPLETED if self.final else State.PRUNED

    @property
    def reason(self) -> EndReason:
        """Return the end reason: `kind`, or the one that the state implies."""
        implied = {State.COMPLETED: EndReason.EPOCHS, State.PRUNED: EndReason.RUNG, State.FAILED: EndReason.CRASH}
        return self.kind or implied[self.state]

    @property
    def text(self) -> str:
        """Return the message of the state."""
        return self.cause or self.pruned or "reached the last epoch"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        plain = {"cause": self.cause, "pruned": self.pruned, "final": self.final and self.final.to_dict()}
        return plain | ({"again": True} if self.again else {}) | ({"kind": str(self.kind)} if self.kind else {})

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        final = plain.get("final")
        found = cls(
            cause=plain.get("cause", ""),
            pruned=plain.get("pruned", ""),
            final=Measurement.from_dict(final) if final else None,
            again=bool(plain.get("again", False)),
            kind=EndReason(plain["kind"]) if "kind" in plain else _kind_of_format_1(plain),
        )
        return well_typed(found)


def _kind_of_format_1(plain: Mapping[str, Any]) -> EndReason | None:
    """Return the end reason of a record written before end reasons existed, from the start of its text."""
    if str(plain.get("cause", "")).startswith("worker lost"):
        return EndReason.LOST
    return EndReason.QUOTA if str(plain.get("pruned", "")).startswith("storage quota") else None


@dataclass(frozen=True, slots=True)
class Trial:
    """One evaluation: the params that were tried and all that was measured."""

    number: int
    params: Params
    seed: int
    measurements: tuple[Measurement, ...] = ()
    ending: Ending | None = None
    losses: tuple[Loss, ...] = ()
    """Each time that its worker was lost, oldest first."""
    node: str = ""
    """The node of its last heartbeat."""
    outside: bool = False
    """Its params are not a point of the space: the baseline, where the space does not contain it."""
    _bests: dict[str, float | None] = field(init=False, repr=False, compare=False, default_factory=dict)
    """Metric to its highest value, computed once: a table asks each trial several times."""
    origin: str = field(default="", compare=False)
    """Source of its params, such as `model` or `enqueued`; empty if unknown. Not a part of what was tried."""

    @property
    def state(self) -> State:
        """Derive the state from the ending. WAITING and PAUSED depend on the study's workers and rungs."""
        return self.ending.state if self.ending else State.RUNNING

    @property
    def epoch(self) -> int:
        """Return the last epoch measured, 0 before the first."""
        return self.measurements[-1].epoch if self.measurements else 0

    @property
    def retries(self) -> int:
        """Return how often its worker was lost."""
        return len(self.losses)

    @property
    def changed(self) -> str:
        """Return the deviation in the last measurement: such a trial is excluded from rung comparison."""
        return self.measurements[-1].changed if self.measurements else ""

    @property
    def seconds(self) -> float:
        """Return the wall-clock seconds of all epochs."""
        return sum(measurement.seconds for measurement in self.measurements)

    def best(self, metric: str, *, until: int | None = None) -> float | None:
        """Return the highest `metric` up to epoch `until`: what its `best.pt` would score; None before any.

        Epochs that were not validated have none and do not count.
        """
        if until is None:
            if metric not in self._bests:
                self._bests[metric] = _highest(self.measurements, metric)
            return self._bests[metric]
        return _highest([m for m in self.measurements if m.epoch <= until], metric)

    def followed_by(self, measurement: Measurement, *, node: str) -> "Trial":
        """Return the trial after one more epoch."""
        after = replace(self, measurements=(*self.measurements, measurement), node=node)
        for metric, best in self._bests.items():
            value = measurement.metrics.get(metric)
            after._bests[metric] = best if value is None or (best is not None and best >= value) else value
        return after


def _highest(measurements: Iterable[Measurement], metric: str) -> float | None:
    return max((m.metrics[metric] for m in measurements if metric in m.metrics), default=None)


Report = Callable[[Measurement], None]
"""Callback of a trial after each epoch; it does not return when the scheduler stops the trial."""
