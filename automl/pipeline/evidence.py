"""Evidence on a version: metrics of the ONNX file on the judged split with intervals, and by class (`metrics.json`)."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from automl.hpo import bootstrap
from automl.hpo.bootstrap import Resampling
from automl.storage.detections import ImageStats
from automl.storage.layout import EXPORT, ONNX_STATS
from automl.storage.records import RecordError
from automl.study.verdict import Verdict
from automl.tracking.report import class_results

LOG: Final = logging.getLogger(__name__)

RESAMPLES: Final = 300
"""Resamples for the metrics that decide nothing; the objective's interval, of 1,000, is the verdict's."""
CURVES: Final = frozenset({"recalls", "precisions"})
"""Curves of a class's score, which are not published."""


def measured(folder: Path, verdict: Verdict, *, seed: int) -> dict[str, Any]:
    """Return the metrics of what ships; without kept detections those of the verdict, without intervals and classes."""
    stats = _stats(folder)
    shipped = verdict.shipped
    facts = {"split": verdict.split, "objective": verdict.objective, "images": shipped.images if shipped else None}
    if stats is None:
        metrics = {name.rpartition("/")[2]: {"value": value} for name, value in verdict.metrics.items()
                   if not name.startswith("class/")}  # fmt: skip
        return {**facts, "metrics": _with_objective(metrics, verdict), "classes": {}}
    plan = Resampling(resamples=RESAMPLES, seed=seed)
    found = {name: _ends(asdict(interval)) for name, interval in bootstrap.intervals(stats, plan).items()}
    scores = class_results.scores(stats, verdict.names)
    classes = {name: {key: value for key, value in asdict(score).items() if key not in CURVES}
               for name, score in scores.items()}  # fmt: skip
    return {**facts, "images": stats.images, "metrics": _with_objective(found, verdict), "classes": classes}


def _with_objective(metrics: dict[str, Any], verdict: Verdict) -> dict[str, Any]:
    if verdict.shipped:
        metrics[verdict.objective] = _ends(asdict(verdict.shipped.score))
    return metrics


def _ends(interval: Mapping[str, float]) -> dict[str, float]:
    return {name: interval[name] for name in ("value", "low", "high")}


def _stats(folder: Path) -> ImageStats | None:
    """Return the detections of the ONNX file on the judged split; None, with a warning, if they cannot be read."""
    try:
        return ImageStats.load(folder / EXPORT / ONNX_STATS)
    except RecordError as error:
        LOG.warning(f"card: intervals and results by class are left out: {error}")
        return None
