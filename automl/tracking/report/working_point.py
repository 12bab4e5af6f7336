"""Working point of the model that ships in the report: sweep of the threshold, confusion matrix."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from automl.study.text import one_line
from automl.tracking.diagnosis.matches import IOU, confusion, kinds_of
from automl.tracking.diagnosis.shipped_model import ShippedModel
from automl.tracking.diagnosis.sweep import GRID, Point, Sweep
from automl.tracking.report.figures import frame
from automl.tracking.report.language import Words

MOST_CLASSES: Final = 10
"""Curves in a figure."""
MOST_CELLS: Final = 16
"""Classes of the confusion matrix, those with the most boxes."""
BLUE: Final = "#3b6fb6"
ORANGE: Final = "#d98200"
GREEN: Final = "#1b7f4d"
STEP: Final = 4
"""Every fourth threshold is drawn."""


@dataclass(frozen=True, slots=True)
class Swept:
    """One class, or all together, at the served threshold and at the best one."""

    boxes: int
    now: Point
    best: Point
    ceiling: float
    """Recall of all detections."""
    alone: float | None
    """Share of the objects that no box of any class covers; None where boxes were not kept."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of served boxes and objects, predicted by true."""

    names: tuple[str, ...]
    cells: tuple[tuple[tuple[int, float], ...], ...]
    """Number, and share of the column's objects (of the row's boxes in the last column)."""
    classes: int
    """All classes; those with fewer boxes are left out."""


def swept(model: ShippedModel) -> dict[str, Swept]:
    """Return the sweep of all classes together, under the empty name, and of each class."""
    kinds = [None, *np.unique(model.stats.truth_kind).tolist()]
    return {"" if kind is None else model.names.get(kind, str(kind)): _swept(model, kind) for kind in kinds}


def _swept(model: ShippedModel, kind: int | None) -> Swept:
    sweep = Sweep.of(model.stats, kind)
    alone = None
    if model.matches is not None and sweep.boxes:
        mine = model.matches.cover if kind is None else model.matches.cover[model.stats.truth_kind == kind]
        alone = float(np.mean(mine < IOU))
    return Swept(sweep.boxes, sweep.at(model.threshold), sweep.best, sweep.ceiling, alone)


def all_classes(model: ShippedModel, words: Words) -> Figure:
    """Return precision, recall and F1 of all classes together over the threshold."""
    sweep = Sweep.of(model.stats)
    figure, axes = frame(4.6, 3.1)
    precision = np.where(sweep.found > 0, sweep.precision, np.nan)
    curves = {"precision": (precision, BLUE), "recall": (sweep.recall, ORANGE), "f1_short": (sweep.f1, GREEN)}
    for key, (curve, colour) in curves.items():
        axes.plot(GRID[::STEP], curve[::STEP], color=colour, linewidth=1.8, label=words.plain(key))
    _dot(axes, sweep.best, GREEN)
    _finish(axes, model, words)
    return figure


def by_class(model: ShippedModel, words: Words) -> Figure:
    """Return F1 over the threshold of the classes with the most boxes."""
    figure, axes = frame(4.6, 3.1)
    kinds, counts = np.unique(model.stats.truth_kind, return_counts=True)
    for place, kind in enumerate(kinds[np.argsort(-counts, kind="stable")][:MOST_CLASSES].tolist()):
        sweep, colour = Sweep.of(model.stats, kind), colormaps["tab10"](place)
        # A space first: matplotlib leaves a label that begins with an underscore out of the legend.
        label = f" {one_line(model.names.get(kind, str(kind)))}"
        axes.plot(GRID[::STEP], sweep.f1[::STEP], color=colour, linewidth=1.6, label=label)
        _dot(axes, sweep.best, colour)
    axes.set_ylabel(words.plain("f1_short"))
    _finish(axes, model, words)
    return figure


def _dot(axes: Any, best: Point, colour: Any) -> None:  # noqa: ANN401
    if best.f1 > 0:
        axes.plot([best.threshold], [best.f1], "o", color=colour, markersize=6)


def _finish(axes: Any, model: ShippedModel, words: Words) -> None:  # noqa: ANN401
    axes.axvline(model.threshold, color="#616e7c", linewidth=1.2, linestyle=":", label=words.plain("served_line"))
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.02, 1.05)
    axes.set_xlabel(words.plain("threshold"))
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def confusion_of(model: ShippedModel) -> Confusion | None:
    """Return the confusion matrix at the served threshold; None where boxes were not kept."""
    if model.boxes is None or model.matches is None:
        return None
    kept = model.stats.conf > model.threshold
    kinds, matrix = kinds_of(model.stats, kept), confusion(model.stats, model.boxes, model.matches, kept)
    most = np.sort(np.argsort(-matrix[:, :-1].sum(axis=0), kind="stable")[:MOST_CELLS])
    chosen = np.append(most, len(kinds))
    part = matrix[np.ix_(chosen, chosen)]
    objects = np.maximum(matrix.sum(axis=0)[chosen], 1)
    share = part / objects
    share[:, -1] = part[:, -1] / np.maximum(matrix.sum(axis=1)[chosen], 1)
    return Confusion(
        tuple(model.names.get(int(kinds[place]), str(kinds[place])) for place in most),
        tuple(tuple(zip(row, of, strict=True)) for row, of in zip(part.tolist(), share.tolist(), strict=True)),
        len(kinds),
    )


def shade(share: float, *, right: bool) -> str:
    """Return the background of a cell as CSS: green for what is right, red for what is wrong.

    >>> shade(0.5, right=True)
    'rgba(27, 127, 77, 0.30)'
    """
    colour = "27, 127, 77" if right else "179, 58, 43"
    return f"rgba({colour}, {0.6 * share:.2f})"
