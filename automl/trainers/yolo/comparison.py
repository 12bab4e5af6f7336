"""Bitwise comparison of short trainings: does a value change the augmented batches, or the weights after them?

All trainings of a comparison run in one process of their own, with few images at a small size. Their epochs are as
many as a schedule needs (warm-up, closing of mosaic), and the optimizer is chosen as for the whole data set. One that
differs from its reference ends at the first batch that differs, so that only values without effect cost a whole one.
"""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from automl.study import Job, Params
from automl.study.errors import AutomlError, TrialError
from automl.trainers.compared import Compared, Comparison, Probe
from automl.trainers.yolo.settings import settings
from automl.trainers.yolo.train import train

SIZE: Final = 64
"""Image size in pixels: two strides, so that every layer has an output."""
BATCH: Final = 4
AFTER: Final = 2
"""Epochs beyond the longest warm-up and the earliest closing of mosaic."""
ORDER: Final = "comparison.json"
RESULT: Final = "comparison.jsonl"
LOG: Final = "log.txt"
OWN: Final = {"imgsz": SIZE, "batch": BATCH, "save": False, "cache": False, "amp": False, "fraction": 1.0}
"""Settings of the short trainings."""
UNPROVABLE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("imgsz", "batch", "fraction"), "the short trainings have their own value of it"),
    **dict.fromkeys(("amp", "compile", "channels_last"), "it acts on a GPU only, and the proof trains on the CPU"),
    **dict.fromkeys(("conf", "iou", "max_det", "agnostic_nms"), "it acts in the evaluation, not in the training"),
}


class _Enough(Exception):  # noqa: N818  (an event, no error)
    """Raised at the last batch, or at the first that differs."""


def unprovable(name: str) -> str:
    """Return why `compare` cannot show whether a setting has an effect, empty where it can."""
    return UNPROVABLE.get(name, "")


def compare(job: Job, probes: Sequence[Probe], *, images: int, seconds: float) -> Compared:
    """Train the reference and the other params of each probe for a few batches and compare them bit for bit.

    Raises:
        TrialError: the training of the first reference failed, or two trainings of it differed.
    """
    small = _small(job, probes)
    job.folder.mkdir(parents=True, exist_ok=True)
    order, log = job.folder / ORDER, job.folder / LOG
    order.write_text(
        json.dumps({"job": small.to_dict(), "probes": [asdict(probe) for probe in probes], "images": images,
                    "epochs": job.epochs, "batch": job.settings.get("batch", 16)}),
        encoding="utf-8",
    )  # fmt: skip
    ended = f"the limit of {seconds:g} s was reached"
    with log.open("wb") as file, suppress(subprocess.TimeoutExpired):
        found = subprocess.run(
            [sys.executable, "-c", "from automl.trainers.yolo.comparison import main; main()", str(order)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=seconds, check=False,
        )  # fmt: skip
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        ended = lines[-1] if found.returncode > 0 and lines else f"its process ended with code {found.returncode}"
    comparisons = _results(job.folder / RESULT, ended)
    missing = [Comparison(problem=ended)] * (len(probes) - len(comparisons))
    how = f"{Path(job.model).name} at {SIZE} px, batches of {BATCH}, {small.epochs} epochs, on the CPU"
    return Compared((*comparisons, *missing), how)


def _results(path: Path, ended: str) -> list[Comparison]:
    """Return the comparisons in the file, whose first line is that of two equal trainings.

    Raises:
        TrialError: these two were not compared, or they differed.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    control, *comparisons = [Comparison(**json.loads(line)) for line in lines] or [Comparison(problem=ended)]
    if control.problem:
        raise TrialError(control.problem)
    if control.differs:
        raise TrialError("two trainings with the same params and seed differ on this machine")
    return comparisons


def _small(job: Job, probes: Sequence[Probe]) -> Job:
    """Return the job with short epochs on few images, as many as its schedules need and not more than it has."""
    every = [params for probe in probes for params in (probe.reference, *probe.others)] or [job.params]
    longest = max(_setting(job, params, name) for params in every for name in ("close_mosaic", "warmup_epochs"))
    return replace(
        job, settings={**job.settings, **OWN}, epochs=min(job.epochs, math.ceil(longest) + AFTER), gpus=0.0,
        rungs=(), pictures_every=0, validate_every=job.epochs + 1,
    )  # fmt: skip


def _setting(job: Job, params: Params, name: str) -> float:
    return float({**settings(), **job.settings, **params}[name])


@dataclass(slots=True)
class _Trace:
    """Callbacks of a training that record digests of each batch and of the weights after it."""

    iterations: int
    """Steps of the optimizer of a training with all images, by which `optimizer=auto` chooses."""
    batches: int = 0
    """Batches of the whole training."""
    reference: Sequence[tuple[str, str]] | None = None
    seen: list[tuple[str, str]] = field(default_factory=list)
    differs: str = ""
    _input: str = ""

    def callbacks(self) -> Mapping[str, Any]:
        return {
            "on_pretrain_routine_start": self.prepared, "on_train_start": self.started,
            "on_train_batch_end": self.batch_ended,
        }  # fmt: skip

    def prepared(self, trainer: Any) -> None:  # noqa: ANN401
        trainer.build_optimizer = partial(_built, trainer.build_optimizer, self.iterations)

    def started(self, trainer: Any) -> None:  # noqa: ANN401
        self.batches = len(trainer.train_loader) * trainer.epochs
        prepare = trainer.preprocess_batch

        def prepared(batch: Any) -> Any:  # noqa: ANN401
            ready = prepare(batch)
            self._input = _digest(ready[name] for name in ("img", "cls", "bboxes", "batch_idx"))
            return ready

        trainer.preprocess_batch = prepared

    def batch_ended(self, trainer: Any) -> None:  # noqa: ANN401
        now = (self._input, _digest(trainer.model.state_dict().values()))
        self.seen.append(now)
        if self.reference is not None and now != (before := self.reference[len(self.seen) - 1]):
            self.differs = "input" if now[0] != before[0] else "weights"
        if self.differs or len(self.seen) == self.batches:
            raise _Enough


def _built(build: Any, steps: int, **given: Any) -> Any:  # noqa: ANN401
    return build(**{**given, "iterations": steps})


def _digest(tensors: Iterator[Any]) -> str:
    found = blake2b(digest_size=16)
    for tensor in tensors:
        found.update(str(tuple(tensor.shape)).encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


@dataclass(slots=True)
class _Comparer:
    """The short trainings of an order; references are trained once."""

    job: Job
    images: int
    """Training images of a trial."""
    epochs: int
    """Epochs of a trial."""
    batch: int
    _references: dict[str, _Trace] = field(default_factory=dict)
    _count: int = 0

    def compared(self, probe: Probe) -> Comparison:
        """Return what differs first; the trainings end there."""
        try:
            reference = self._reference(probe.reference)
            for params in probe.others:
                trace = self.traced(params, reference.seen)
                if trace.differs:
                    return Comparison(trace.differs, len(trace.seen))
        except AutomlError as error:
            return Comparison(problem=" ".join(str(error).split()))
        return Comparison("", len(reference.seen))

    def _reference(self, params: Params) -> _Trace:
        key = json.dumps(params, sort_keys=True)
        if key not in self._references:
            self._references[key] = self.traced(params, None)
        return self._references[key]

    def traced(self, params: Params, reference: Sequence[tuple[str, str]] | None) -> _Trace:
        """Train with params; the settings of the short trainings win over them."""
        self._count += 1
        scratch = self.job.folder / f"training{self._count}"
        (scratch / "weights").mkdir(parents=True)
        # as settings: a param that `optimizer=auto` replaces would end the training
        job = replace(self.job, params={}, settings={**self.job.settings, **params, **OWN})
        images = max(int(params.get("batch", self.batch)), int(_setting(job, params, "nbs")))
        trace = _Trace(math.ceil(self.images / images) * self.epochs, reference=reference)
        with suppress(_Enough):
            train(job, scratch, state=None, on_epoch=lambda *_given: None, callbacks=trace.callbacks())
        return trace


def main() -> None:
    """Compare the trainings of the order that the first argument names; write a line after each probe."""
    path = Path(sys.argv[1])
    order = json.loads(path.read_text(encoding="utf-8"))
    comparer = _Comparer(Job.from_dict(order["job"]), order["images"], order["epochs"], order["batch"])
    probes = [Probe(one["reference"], tuple(one["others"])) for one in order["probes"]]
    first = probes[0].reference if probes else comparer.job.params
    with (path.parent / RESULT).open("a", encoding="utf-8") as file:
        for probe in (Probe(first, (first,)), *probes):
            since = time.monotonic()
            found = comparer.compared(probe)
            file.write(json.dumps(asdict(found)) + "\n")
            file.flush()
            sys.stdout.write(f"{time.monotonic() - since:.1f} s: {found}\n")
