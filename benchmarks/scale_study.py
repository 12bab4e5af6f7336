"""The study of `scale.py`: its description, its learning curves, and the slots in virtual time."""

import heapq
import json
import math
import random
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from unittest import mock

import numpy as np
from rich.console import Console

from automl.hpo.sampler import Sampler
from automl.storage.journal import Journal
from automl.study import Answer, Ending, Job, Measurement, Params
from automl.study.space import SearchSpace
from automl.study.spec import StudySpec
from automl.tracking import status
from automl.tracking.console import DRAWING_SHARE, ROOT, Progress
from automl.tracking.tensorboard_writer import Board, BoardSettings
from automl.trials.jobs import RunContext
from automl.trials.listener import Listeners
from automl.trials.manager import TrialManager

METRIC: Final = "val/map50_95"
OTHERS: Final = (
    "val/map50", "val/precision", "val/recall", "val/loss", "train/box_loss", "train/cls_loss", "train/dfl_loss",
    "lr/weights", "lr/bias",
)  # fmt: skip
LADDER: Final = {"min_epochs": 50, "max_epochs": 300, "reduction_factor": 3}
"""Rungs at 50 and 150: 100 measurements a trial on average."""
SPACE: Final = {
    "lr0": {"low": 1e-5, "high": 1e-1, "log": True, "default": 1e-2},
    "momentum": {"low": 0.6, "high": 0.98, "default": 0.937},
    "weight_decay": {"low": 1e-6, "high": 1e-2, "log": True, "default": 5e-4},
    "mosaic": {"low": 0.0, "high": 1.0, "default": 1.0},
    "scale": {"low": 0.0, "high": 0.9, "default": 0.5},
    "hsv_s": {"low": 0.0, "high": 0.9, "default": 0.7},
    "optimizer": {"choices": ["SGD", "AdamW"], "default": "SGD"},
}  # fmt: skip
Found = TypeVar("Found")
TABLE_SECONDS: Final = 30.0
"""Virtual seconds between two tables, as in a log; longer where they are slow, as the console does."""
TABLES_PER_DRAWING: Final = 100
"""One table in so many is made, the others are charged as that one was."""
SAVE_SECONDS: Final = 20.0
"""Real seconds between two notes of the figures so far."""
CALLS: Final = "calls.json"
"""File of them, in the study's folder."""
EPOCH_SECONDS: Final = 60.0
"""Mean seconds of a virtual epoch; with 512 slots a measurement each 0.12 s."""


def spec_of(trials: int) -> StudySpec:
    """Return the description of the study."""
    return StudySpec.model_validate({
        "name": "scale", "data": "data.yaml", "model": "micro.yaml", "space": SPACE, "ladder": LADDER,
        "budget": {"trials": trials}, "objective": "map50_95",
    })  # fmt: skip


def space_of() -> SearchSpace:
    """Return the space of the study."""
    return spec_of(1).search_space


def final_of(params: Params) -> float:
    """Return the height of a trial's curve: a ridge in the learning rate and three more parameters."""
    off = [(math.log10(float(params["lr0"])) + 2.4) / 1.2, (float(params["momentum"]) - 0.9) / 0.2]
    off += [(float(params["scale"]) - 0.3) / 0.8, (float(params["mosaic"]) - 0.7) / 1.5]
    return (0.6 if params["optimizer"] == "SGD" else 0.55) * math.exp(-sum(value * value for value in off))


def value_of(params: Params, number: int, epoch: int) -> float:
    """Return the metric of an epoch: a saturating curve with noise."""
    noise = random.Random(number * 1000 + epoch).gauss(0, 0.005)
    return max(0.0, final_of(params) * (1 - math.exp(-epoch / 30)) + noise)


def rss() -> float:
    """Return the most resident memory of this process so far, in GB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3)


@dataclass(slots=True)
class Calls:
    """CPU seconds of the driver, by kind of call."""

    measured: int = 0
    """How many epochs were recorded."""
    measuring: float = 0.0
    """CPU seconds of all of them."""
    suggested: list[float] = field(default_factory=list)
    """A new trial: from `next_job` to the job, with its journal line, lease, job file and TensorBoard row."""
    resumed: list[float] = field(default_factory=list)
    """A paused trial that advances."""
    tables: list[float] = field(default_factory=list)
    clock: float = 0.0
    """Wall-clock seconds of all measurements."""
    now: float = 0.0
    """The virtual clock."""
    idle: float = 0.0
    """Slot-seconds spent waiting for the driver."""
    used: float = 0.0

    @property
    def idle_share(self) -> float:
        """Return the share of slot time spent waiting for the driver."""
        return self.idle / max(self.idle + self.used, 1e-9)


@dataclass(slots=True)
class Run:
    """Slots on a virtual clock, and a driver that answers one call at a time."""

    source: Any
    slots: int
    epoch_seconds: float
    tables: bool = True
    calls: Calls = field(default_factory=Calls)
    saved: Callable[[], None] = lambda: None
    """Called now and then: a run that is ended is continued with the figures so far."""
    events: list[tuple[float, int, int, Job]] = field(default_factory=list)
    free: list[float] = field(default_factory=list)
    """When each free slot became free."""
    known: dict[int, int] = field(default_factory=dict)
    _shown: float = 0.0
    """When the last table was drawn, and what the last one cost that was made."""
    _cost: float = 0.0
    _drawn: int = 0

    def go(self) -> None:
        """Run until no job is left."""
        self.known = {trial.number: trial.epoch for trial in self.source.trials}
        self.free = [self.calls.now] * self.slots
        heapq.heapify(self.free)
        saved = time.monotonic()
        self._fill()
        while self.events:
            due, number, epoch, job = heapq.heappop(self.events)
            self.calls.now = max(self.calls.now, due)
            answer = self._answer(job, epoch)
            self.calls.idle += self.calls.now - due
            if answer is Answer.CONTINUE and epoch < job.epochs:
                self._train(job, epoch + 1)
            else:
                if answer is Answer.CONTINUE:
                    self._timed(partial(self.source.ended, number, Ending(final=_measurement(job, epoch))))
                heapq.heappush(self.free, due)
                self.calls.idle -= self.calls.now - due  # counted when the slot gets its next job
            self._fill()
            self._draw()
            if time.monotonic() - saved >= SAVE_SECONDS:
                self.saved()
                saved = time.monotonic()
        if hasattr(self.source, "finish") and self.source.over:
            self.source.finish()

    def _draw(self) -> None:
        """Draw a table, if one is due."""
        if not self.tables or self.calls.now - self._shown < max(TABLE_SECONDS, DRAWING_SHARE * self._cost):
            return
        if self._drawn % TABLES_PER_DRAWING:
            self.calls.now += self._cost
        else:
            self._cost = self._timed(self.source.view)[1]
            self.calls.tables.append(self._cost)
        self._shown, self._drawn = self.calls.now, self._drawn + 1

    def _fill(self) -> None:
        while self.free:
            began = len(self.source.trials_seen)
            job, seconds = self._timed(self.source.next_job)
            if job is None:
                return
            free = heapq.heappop(self.free)
            self.calls.idle += self.calls.now - free
            new = len(self.source.trials_seen) > began
            (self.calls.suggested if new else self.calls.resumed).append(seconds)
            done = self.known.get(job.number, 0)
            for epoch in range(1, done + 1):  # a real worker sends the epochs of its folder again
                self._timed(partial(self.source.measured, job.number, _measurement(job, epoch), node="node"))
            self._train(job, done + 1)

    def _train(self, job: Job, epoch: int) -> None:
        seconds = self.epoch_seconds * (0.8 + 0.4 * random.Random(job.number).random())
        self.calls.used += seconds
        heapq.heappush(self.events, (self.calls.now + seconds, job.number, epoch, job))

    def _answer(self, job: Job, epoch: int) -> Answer:
        measurement = _measurement(job, epoch)
        began = time.perf_counter()
        call: Callable[[], Answer] = partial(self.source.measured, job.number, measurement, node="node")
        answer, seconds = self._timed(call)
        self.calls.clock += time.perf_counter() - began
        self.calls.measured += 1
        self.calls.measuring += seconds
        self.known[job.number] = max(epoch, self.known.get(job.number, 0))
        return answer

    def _timed(self, call: Callable[[], Found]) -> tuple[Found, float]:
        """Charge the CPU seconds of a call to the clock."""
        began = time.process_time()
        found = call()
        seconds = time.process_time() - began
        self.calls.now += seconds
        return found, seconds


def opened(folder: Path, spec: StudySpec, slots: int, *, board: bool = True) -> TrialManager:
    """Open the study as a session does, without data and without Ray."""
    folder.mkdir(parents=True, exist_ok=True)
    progress = Progress(folder / "study.log", console=Console(quiet=True))
    for handler in [handler for handler in ROOT.handlers if isinstance(handler, Progress)]:
        ROOT.removeHandler(handler)
    ROOT.addHandler(progress)
    ROOT.setLevel("INFO")
    boards = (Board(folder, spec.search_space, BoardSettings(metric=spec.metric)),) if board else ()
    return TrialManager(
        context=RunContext(folder, spec, folder / "data.yaml", gpus=1.0, threads=1, concurrent=slots),
        journal=Journal.create(folder, name=spec.name, metric=spec.metric),
        listeners=Listeners(boards),
        overview=status,
        table=progress,
    ).restore()


def run(folder: Path, spec: StudySpec, slots: int, *, epoch_seconds: float, board: bool = True) -> Run:
    """Run the study to its end, or resume it with the figures so far; what was recorded after them is not counted."""
    path = folder / CALLS
    calls = Calls(**json.loads(path.read_text())) if path.exists() else Calls()

    def save() -> None:
        trials = made.source.trials_seen
        print(f"{len(trials)} trials, {made.calls.measured} measurements, idle {made.calls.idle_share:.4f}", flush=True)
        path.write_text(json.dumps(asdict(made.calls)))

    made = Run(_Seen(opened(folder, spec, slots, board=board)), slots, epoch_seconds, board, calls, save)
    made.go()
    save()
    return made


class _Seen:
    """A trial manager, and the number of its trials without a sorted copy."""

    def __init__(self, manager: TrialManager) -> None:
        self._manager = manager
        self.trials_seen = manager._trials

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._manager, name)


@contextmanager
def random_params() -> Iterator[None]:
    """Have the sampler draw at random, in a block."""

    def drawn(self: Sampler) -> tuple[dict[str, Any], str]:
        number = len(self._seen)
        point = self._encoding.draw(1, np.random.default_rng([self._seed, number]))[0]
        return self._encoding.decode(point), "random"

    with mock.patch.object(Sampler, "draw", drawn):
        yield


def _measurement(job: Job, epoch: int) -> Measurement:
    value = value_of(job.params, job.number, epoch)
    return Measurement(epoch, {METRIC: value, **dict.fromkeys(OTHERS, 1 - value)}, EPOCH_SECONDS)
