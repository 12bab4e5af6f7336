"""Parts of the page on the model that ships: sweep of its threshold, confusion matrix, worst errors."""

from functools import partial
from pathlib import Path
from typing import Any

from automl.study.verdict import Verdict
from automl.tracking.diagnosis import shipped_model
from automl.tracking.report import errors, working_point
from automl.tracking.report.figures import drawn
from automl.tracking.report.language import Words

NOTHING: dict[str, Any] = {"model": None, "swept": {}, "sweeps": (), "confusion": None, "errors": None}


def parts(folder: Path, verdict: Verdict | None, words: Words) -> dict[str, Any]:
    """Return the values of the template; the model is None if no detections of it are kept."""
    model = shipped_model.read(folder, verdict) if verdict else None
    if model is None or not len(model.stats.truth_kind):
        return NOTHING
    figures = [working_point.all_classes]
    if len({*model.stats.truth_kind.tolist()}) > 1:
        figures.append(working_point.by_class)
    return {
        "model": model,
        "swept": working_point.swept(model),
        "sweeps": [drawn(partial(figure, model, words)) for figure in figures],
        "confusion": working_point.confusion_of(model),
        "errors": errors.errors(folder, model, words),
        "shade": working_point.shade,
        "each": errors.EACH_IMAGE,
    }
