"""Disk forecast: bytes that a study will use, computed from the parameters of its models before it starts."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.study.errors import StudyError
from automl.study.space import SearchSpace
from automl.study.spec import StudySpec
from automl.study.text import GB, amount
from automl.trainers import trainer_of

STATE: Final = 16
"""Bytes per parameter in `last.pt` and in the checkpoint before it: model, average, two moments, single precision."""
BEST: Final = 10
"""In `best.pt` of a trial that was not trained to the end: model in half precision, and two moments."""
HALF: Final = 2
"""In `best.pt` of a trial that was trained to the end."""
SHIPPED: Final = 10
"""In the shipped files: weights in half precision, ONNX in single, an engine of at most the same size."""
DESCRIPTION: Final = 150_000
"""Bytes in each checkpoint that describe the model, whatever its size."""
RECORDS: Final = 50_000
"""Bytes of a trial's params, outcome, curves, log and events, and its lines in the journal, before its first epoch."""
EPOCH: Final = 5_000
"""And for each epoch."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Disk space of one trial of a model, in bytes."""

    parameters: int
    epochs: int

    @property
    def paused(self) -> int:
        """Return the bytes of a trial between two epochs, or while paused: two states and its best weights."""
        return 2 * self._file(STATE) + self._file(BEST) + self.records

    @property
    def running(self) -> int:
        """Return the peak bytes of a trial: one more state, while it is written."""
        return self.paused + self._file(STATE)

    @property
    def kept(self) -> int:
        """Return the bytes of an ended trial that keeps its weights."""
        return self._file(STATE) + self._file(BEST) + self.records

    @property
    def retrained(self) -> int:
        """Return the bytes of a re-training until the verdict."""
        return self._file(BEST) + self.records

    @property
    def candidate(self) -> int:
        """Return the bytes that a completed trial keeps until the verdict: weights in half precision."""
        return self._file(HALF)

    @property
    def records(self) -> int:
        """Return the bytes of every trial's records."""
        return RECORDS + EPOCH * self.epochs

    def _file(self, each: int) -> int:
        return each * self.parameters + DESCRIPTION


@dataclass(frozen=True, slots=True)
class Forecast:
    """Peak disk space of a study while it runs, and at its end."""

    alive: int
    """Trials with a training state at a time: paused ones keep theirs until the study ends."""
    trial: int
    running: int
    kept: int


def needs(spec: StudySpec, absolute: Callable[[str], str]) -> dict[str, int]:
    """Return the peak bytes of a trial of each model by its absolute name; empty if the study has no quota."""
    if spec.retention.quota_gb is None:
        return {}
    models = map(absolute, models_of(spec.model, spec.search_space))
    return {model: footprint(model, spec.ladder.max_epochs).running for model in models}


def footprint(model: str, epochs: int) -> Footprint:
    """Return the disk space of a complete training of a model."""
    return Footprint(trainer_of().parameters(model), epochs)


def models_of(model: str, space: SearchSpace) -> list[str]:
    """Return the models that trials may train."""
    searched = space.parameters.get("model")
    return [str(choice) for choice in getattr(searched, "choices", [])] or [model]


def expected(spec: StudySpec, largest: Footprint) -> Forecast:
    """Return the forecast of a study, given its largest model.

    The places of a cluster are not known yet: one is assumed if trials do not pause and the description has no number.
    """
    given, trials = spec.resources.concurrent, spec.budget.trials
    places = min(trials, 1 if given == "auto" else given)
    alive = trials if spec.ladder.scheduler == "promotion" and spec.ladder.rungs else places
    ended = min(spec.retention.keep, trials) * largest.kept + RECORDS * trials + EPOCH * spec.cost().expected
    retained = ended + trials * largest.candidate
    searching = places * largest.running + (alive - places) * largest.paused + retained
    confirming = places * largest.running + spec.retrainings[1] * largest.retrained + retained
    return Forecast(alive, largest.running, max(searching, confirming), ended + SHIPPED * largest.parameters)


@dataclass(frozen=True, slots=True)
class DiskForecast:
    """Disk space that a study will use, in bytes, and the free space."""

    storage: Path
    alive: int
    """Trials with a training state at a time."""
    counted: bool
    """Whether that number is known before the study is placed on a cluster."""
    pausing: bool
    """Whether paused trials keep their state."""
    trial: int
    """One trial while it runs."""
    wanted: int
    """The most while it runs, without a quota."""
    running: int
    """The most while it runs: at most the quota."""
    kept: int
    """At the end."""
    free: int
    quota_gb: float | None = None

    @property
    def warning(self) -> str:
        """Return a warning with a remedy if the storage has less free space than the study may use, else empty."""
        if self.running <= self.free:
            return ""
        return (
            f"{self.storage} has {amount(self.free)} free, but the study may use {amount(self.running)}; "
            "free disk space, or set retention.quota_gb, which ends the worst paused trials first"
        )

    def lines(self) -> Iterator[str]:
        """Yield the lines of the forecast."""
        yield (
            f"disk: at most {amount(self.running)} while it runs ({self._alive()}), {amount(self.kept)} kept at the "
            f"end; {amount(self.free)} free in {self.storage}"
        )
        if self.quota_gb is not None and self.wanted > self.running:
            yield f"      retention.quota_gb {self.quota_gb:g} is less than that: the worst paused trials may be ended"
        if self.warning:
            yield f"disk warning: {self.warning}"

    def _alive(self) -> str:
        if self.counted:
            paused = "; paused trials keep their state" if self.pausing else ""
            return f"{self.alive} unended trials x {amount(self.trial)}{paused}"
        return f"{amount(self.trial)} for each concurrent trial"


def forecast(spec: StudySpec, storage: Path) -> DiskForecast:
    """Return the disk space that a study will use.

    Raises:
        StudyError: the quota is too small for a single trial.
    """
    footprints = [footprint(model, spec.ladder.max_epochs) for model in models_of(spec.model, spec.search_space)]
    largest = max(footprints, key=lambda one: one.parameters)
    found = expected(spec, largest)
    quota = spec.retention.quota_gb
    if quota is not None and quota * GB < largest.running + largest.kept:
        raise StudyError(
            f"retention.quota_gb: must be enough for one running trial and the best one, about "
            f"{(largest.running + largest.kept) / GB:.3g} GB, but got {quota:g}"
        )
    most = found.running if quota is None else min(found.running, round(quota * GB))
    return DiskForecast(
        storage=storage,
        alive=found.alive,
        counted=found.alive > 1 or spec.resources.concurrent != "auto",
        pausing=spec.ladder.scheduler == "promotion" and bool(spec.ladder.rungs),
        trial=found.trial,
        wanted=found.running,
        running=most,
        kept=min(most, found.kept),
        free=_free(storage),
        quota_gb=quota,
    )


def _free(storage: Path) -> int:
    """Return the free bytes at a storage's path, which need not exist yet."""
    there = next(path for path in (storage, *storage.parents) if path.exists())
    return shutil.disk_usage(there).free
