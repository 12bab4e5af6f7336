"""Results by class in the report: from kept detections on the judged split, and from `details.csv` on val."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.storage.detections import ImageStats, metrics
from automl.storage.epoch_details import read_details
from automl.storage.layout import BASELINE_STATS, CONFIRM, EXPORT, JUDGED, trial_folder
from automl.study import Trial
from automl.study.verdict import Verdict
from automl.tracking.diagnosis import shipped_model

FloatArray = NDArray[np.float64]

MOST_POINTS: Final = 300
"""Points of a precision-recall curve in the page."""
AP50_95: Final = "class_ap50_95/"
AP50: Final = "class_ap50/"
BASELINE_PREFIX: Final = "default_seed"


@dataclass(frozen=True, slots=True, eq=False)
class ClassScore:
    """Result of one class: average precision, and precision and recall at the confidence with the highest F1."""

    boxes: int
    ap50_95: float
    ap50: float
    precision: float
    recall: float
    f1: float
    threshold: float
    """0 if nothing was found, as F1."""
    recalls: FloatArray
    precisions: FloatArray
    """The precision-recall curve at IoU 0.50, by falling confidence."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Detections of what ships and of the baseline's models on the judged split, scored by class."""

    ships: Mapping[str, ClassScore]
    """By class name; the key "" is all classes together."""
    baseline: Mapping[str, tuple[float, float]]
    """Mean AP50-95 and AP50 over the models."""
    models: int
    damaged: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Validated:
    """AP50-95 and AP50 by class on val, of what ships or the leader, and of the baseline."""

    ships: str
    baseline: str
    """Folder names."""
    rows: Mapping[str, tuple[float | None, ...]]
    """AP50-95 of what ships and of the baseline, AP50 of both; None where not known."""


def scores(stats: ImageStats, names: Mapping[str, str]) -> dict[str, ClassScore]:
    """Return the score of each class that has ground truth, and of all together under "".

    `names` maps the number of a class, as text, to its name.
    """
    found = {"": _score(stats)}
    for kind in np.unique(stats.truth_kind).tolist():
        found[names.get(str(kind), str(kind))] = _score(_of_class(stats, kind))
    return found


def _of_class(stats: ImageStats, kind: int) -> ImageStats:
    mine, truths = stats.kind == kind, stats.truth_kind == kind
    return ImageStats(
        stats.image[mine], stats.tp[mine], stats.conf[mine], stats.kind[mine], stats.truth_image[truths],
        stats.truth_kind[truths], stats.images, stats.names,
    )  # fmt: skip


def _score(stats: ImageStats) -> ClassScore:
    averages = metrics(stats)
    order = np.argsort(-stats.conf, kind="stable")
    confidence, hits = stats.conf[order], np.cumsum(stats.tp[order, 0])
    last = np.flatnonzero(np.append(np.diff(confidence) != 0, True)[: len(order)])  # a threshold keeps all of a tie
    recall = hits[last] / max(len(stats.truth_kind), 1)
    precision = hits[last] / (last + 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-16)
    best = int(f1.argmax()) if len(f1) and f1.max() > 0 else None
    at_precision, at_recall, best_f1, threshold = (
        0.0 if best is None else float(values[best]) for values in (precision, recall, f1, confidence[last])
    )
    few = _few(recall, best)
    return ClassScore(
        boxes=len(stats.truth_kind),
        ap50_95=averages["map50_95"],
        ap50=averages["map50"],
        precision=at_precision,
        recall=at_recall,
        f1=best_f1,
        threshold=threshold,
        recalls=recall[few],
        precisions=precision[few],
    )


def _few(recall: FloatArray, best: int | None) -> NDArray[np.intp]:
    """Return the points of a curve to draw: evenly spaced in recall, the best one and the last."""
    if not len(recall):
        return np.array([], np.intp)
    even = np.searchsorted(recall, np.linspace(0, recall[-1], MOST_POINTS))
    return np.unique([*even, len(recall) - 1, *([] if best is None else [best])])


def judged(folder: Path, verdict: Verdict) -> Judged | None:
    """Return the scores by class of what ships; None if no detections of it are kept or can be read."""
    ships, damaged = shipped_model.detections(folder, verdict)
    theirs, more = shipped_model.load(
        [folder / EXPORT / BASELINE_STATS, *sorted((folder / CONFIRM).glob(f"{BASELINE_PREFIX}*/{JUDGED}"))]
    )
    broken = tuple(path.relative_to(folder) for path in (*damaged, *more))
    if ships is None:
        return Judged({}, {}, 0, broken) if broken else None
    models = [scores(stats, verdict.names) for stats in theirs]
    return Judged(scores(ships, verdict.names), _means(models), len(models), broken)


def _means(models: Sequence[Mapping[str, ClassScore]]) -> dict[str, tuple[float, float]]:
    names = dict.fromkeys(name for model in models for name in model)
    return {
        name: (
            float(np.mean([model[name].ap50_95 for model in models if name in model])),
            float(np.mean([model[name].ap50 for model in models if name in model])),
        )
        for name in names
    }


def validated(
    folder: Path, trials: Sequence[Trial], verdict: Verdict | None, *, metric: str, model: str
) -> Validated | None:
    """Return values by class on val of what ships, or of the leader before a verdict; None if there are none."""
    folders = {trial.number: trial_folder(folder, trial, model) for trial in trials}
    leader = max(trials, key=lambda trial: trial.best(metric) or -1.0, default=None)
    ours = folders[leader.number] if leader else None
    theirs = trial_folder(folder, trials[0], model) if trials else None
    if verdict and verdict.shipped:
        retrained = folder / CONFIRM / verdict.shipped.name
        named = verdict.shipped.name.removeprefix("trial").strip()
        number = int(named) if named.isdecimal() else None
        ours = retrained if number is None else folders.get(number, retrained)
        theirs = min((folder / CONFIRM).glob(f"{BASELINE_PREFIX}*"), default=theirs)
    if ours is None or theirs is None or not (found := _at_best(ours)):
        return None
    base = _at_best(theirs)
    rows = {
        name.removeprefix(AP50_95): tuple(
            values.get(tag + name.removeprefix(AP50_95)) for tag in (AP50_95, AP50) for values in (found, base)
        )
        for name in found
        if name.startswith(AP50_95)
    }
    return Validated(ours.name, theirs.name, rows)


def _at_best(folder: Path) -> dict[str, float]:
    """Return the values by class of the epoch whose mean AP50-95 is highest; empty if there is none."""
    by_epoch = [
        {tag: value for tag, value in values.items() if tag.startswith((AP50_95, AP50))}
        for values in read_details(folder).values()
    ]
    known = [values for values in by_epoch if any(tag.startswith(AP50_95) for tag in values)]
    return max(
        known,
        key=lambda values: float(np.mean([value for tag, value in values.items() if tag.startswith(AP50_95)])),
        default={},
    )
