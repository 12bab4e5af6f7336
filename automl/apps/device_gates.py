"""Gates of an artifact that a device built and measured: those of an artifact built here, by what the device returned.

On each split of the kit the boxes of the device are compared with those of the weights, as `release.targets` does. On
the first pictures they are compared with those of the target's graph on this machine too, which needs no labels.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from automl.apps import agreement, device_splits
from automl.apps.agreement import Agreement, Boxes
from automl.apps.device_kit import reader, without_engine
from automl.apps.device_result import DeviceResult
from automl.apps.device_stats import stats_of
from automl.apps.serve.backend import Backend, opened
from automl.apps.serve.postprocess import detections
from automl.apps.serve.thresholds import Thresholds, recorded
from automl.hpo.bootstrap import Resampling
from automl.release import gates as release_gates
from automl.release import working_point
from automl.release.other_forms import record_of
from automl.release.working_point import Comparison
from automl.storage.detection_rate import statistic
from automl.storage.detections import ImageStats
from automl.storage.layout import EVALUATION, TARGET, VERDICT
from automl.study import Gates, Parity
from automl.study.errors import ExportError
from automl.study.gate_result import GateResult

MEGA: Final = 1e6
COMPARED: Final = 200
"""The most pictures on which device and graph are compared."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The gates of an artifact, and what they were computed from."""

    gates: tuple[GateResult, ...]
    parities: Mapping[str, Parity]
    """Split to the differences to the weights; empty for pictures without labels."""
    split: str
    """The split whose figures count: the one that the version was judged on, if the kit has it."""
    score: float | None
    """The objective on that split, by the boxes of the device."""
    images: int
    """Images of all splits."""

    @property
    def text(self) -> str:
        """Return what was judged as text."""
        if self.score is None:
            return "pictures without labels: its accuracy on the device was not measured"
        return f"{self.score:.4f} on {self.split}, judged on {self.images} images of {' and '.join(self.parities)}"


def judged(found: DeviceResult, source: Path, record: Mapping[str, Any]) -> Judged:
    """Return the gates of an artifact: agreement with its graph, parity with the weights, limits of its target.

    Raises:
        ExportError: the outputs are not those of such a model, or the record is damaged.
    """
    try:
        laws, target = Gates(**record["inputs"]["gates"]), record["inputs"]["target"]
        max_loss = float(target["max_loss"])
        limits = {name: target.get(f"max_{name}") for name in ("latency_ms", "end_to_end_ms")}
        limits["size_mb"] = target.get("max_mb")
    except (LookupError, TypeError, AttributeError) as error:
        raise ExportError(f"{source}: must record the gates of target {found.target}, but {error}") from None
    same = _agreement(found, source, laws).gates(
        found.target, max_lost=laws.max_threshold_loss, max_drift=laws.max_drift
    )
    parities, scores = _parities(found, source, laws) if found.splits else ({}, {})
    at_split = [
        gate for parity in parities.values() for gate in release_gates.of_parity(parity, laws, max_loss=max_loss)
    ]
    costs = {
        "latency_ms": found.latency.p50, "end_to_end_ms": found.served.p50 if found.served else None,
        "size_mb": size(found, source) / MEGA,
    }  # fmt: skip
    own = (_limited(found, name, costs[name], float(limit)) for name, limit in limits.items() if limit is not None)
    split = next(iter(scores), "")
    every = (*same, *at_split, *own)
    return Judged(every, parities, split, scores.get(split), sum(found.splits.values()))


def _parities(found: DeviceResult, source: Path, laws: Gates) -> tuple[dict[str, Parity], dict[str, float]]:
    """Return the differences to the weights and the objective on each split, the judged split first."""
    objective, names = _objective(source)
    threshold = recorded(reader(source)(EVALUATION), source / EVALUATION).conf
    at = Comparison(threshold, objective, names, Resampling(confidence=laws.confidence))
    how = device_splits.evaluation(record_of(source), end_to_end=found.end_to_end)
    parities, scores = {}, {}
    starts = np.cumsum([0, *found.splits.values()]).tolist()
    for (split, weights), (first, end) in zip(found.weights.items(), pairwise(starts), strict=True):
        theirs = ImageStats.load(weights)
        stats = stats_of(found.outputs[first:end], theirs, how)
        what = f"target {found.target} on its device, {split}:"
        parities[split] = working_point.compare(what, stats, weights=theirs, at=at)
        scores[split] = float(statistic(stats, objective)(np.ones(stats.images, np.int64)))
    return parities, scores


def _objective(source: Path) -> tuple[str, dict[int, str]]:
    """Return the objective that a version was judged by, and its classes."""
    try:
        verdict = json.loads((source / VERDICT).read_text(encoding="utf-8"))
        return str(verdict["objective"]), {int(number): name for number, name in verdict["names"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ExportError(
            f"{source / VERDICT}: must name objective and classes, but {type(error).__name__}: {error}"
        ) from None


def _limited(found: DeviceResult, name: str, value: float | None, limit: float) -> GateResult:
    passed, target = value is not None and value <= limit, found.target
    shown = f"no measurement: {found.note}" if value is None else f"{value:.4g}"
    text = (
        f"target {target} on its device: {name} <= {limit:g} {'holds with' if passed else 'must hold, but got'} {shown}"
    )
    return GateResult(f"target {target} on its device {name}", passed, limit, value, text)


def _agreement(found: DeviceResult, source: Path, laws: Gates) -> Agreement:
    """Compare the raw outputs of the device with those of the target's graph on this machine, as boxes."""
    read = without_engine(reader(source))
    backend = opened(source, read, target=found.target)
    pictures, ours = found.pictures[:COMPARED], found.outputs[:COMPARED]
    theirs = [_run(backend, picture) for picture in pictures]
    shape = [len(found.pictures), *(theirs[0].shape if theirs else ())]
    if [len(found.outputs), *found.shape] != shape or not len(pictures):
        raise ExportError(
            f"the outputs of the device must have the shape {shape}, but have {[len(found.outputs), *found.shape]}"
        )
    if found.wrong or not all(np.isfinite(one).all() for one in found.outputs):
        raise ExportError("the outputs of the device must be finite, but some are NaN or infinite")
    wanted = recorded(read(EVALUATION), source / EVALUATION)
    low = Thresholds(
        max(wanted.conf - laws.max_drift, device_splits.LEAST),
        wanted.iou,
        wanted.max_det,
        wanted.agnostic_nms,
        wanted.classes,
    )
    boxes: list[list[Boxes]] = [
        [detections(np.asarray(one, np.float32), low, end_to_end=found.end_to_end) for one in side]
        for side in (ours, theirs)
    ]
    return agreement.compare(*boxes, threshold=wanted.conf, drift=laws.max_drift)


def _run(backend: Backend, picture: Any) -> Any:  # noqa: ANN401
    return backend.run(np.divide(picture, np.float32(255), dtype=np.float32)[None])[0]


def size(found: DeviceResult, source: Path) -> int:
    """Return the bytes of an artifact."""
    if found.engine:
        return found.engine.stat().st_size
    return sum((source / f"{TARGET}{found.target}{suffix}").stat().st_size for suffix in found.sources)
