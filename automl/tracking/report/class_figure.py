"""Figure of the precision-recall curves of a model, a curve for each class."""

from collections.abc import Mapping
from typing import Final

from matplotlib import colormaps
from matplotlib.figure import Figure

from automl.study.text import one_line
from automl.tracking.report.class_results import ClassScore
from automl.tracking.report.figures import frame
from automl.tracking.report.language import Words

MOST_CURVES: Final = 10


def precision_recall(found: Mapping[str, ClassScore], words: Words) -> Figure:
    """Return the precision-recall curves of the classes with the most boxes."""
    figure, axes = frame(6.6, 3.8)
    classes = sorted((name for name in found if name), key=lambda name: -found[name].boxes)[:MOST_CURVES]
    for index, name in enumerate(classes):
        score, colour = found[name], colormaps["tab10"](index)
        # A space first: matplotlib leaves a label that begins with an underscore out of the legend.
        label = f" {one_line(name)}  AP50 {score.ap50:.3f}"
        axes.plot(score.recalls, score.precisions, color=colour, linewidth=1.6, label=label)
        if score.f1 > 0:
            axes.plot([score.recall], [score.precision], "o", color=colour, markersize=6)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.05)
    axes.set_xlabel(words.plain("recall"))
    axes.set_ylabel(words.plain("precision"))
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
