"""Recall of each class against the serving champion: a model that is better on the whole may have lost a class.

Both are compared at their own served thresholds, on the judged images, whose detections the comparison with the
champion has kept.
"""

import json
from pathlib import Path

from automl.pipeline.session import Session
from automl.release import gates, working_point
from automl.storage.detections import ImageStats
from automl.storage.layout import CHAMPION_STATS, EVALUATION, EXPORT, ONNX_STATS
from automl.study.gate_result import GateResult
from automl.study.verdict import Interval


def judged(session: Session, champion: int, over: Interval | None) -> tuple[GateResult, ...]:
    """Return the gate on the class that loses most recall; none without a comparison with a champion.

    A champion of an earlier program, which has no served threshold, is not compared.
    """
    folder = session.folder / EXPORT
    if over is None:
        return ()
    theirs = _threshold(session.place.registry(session.spec.champion_name).path(champion) / EVALUATION)
    ours = _threshold(folder / EVALUATION)
    if theirs is None or ours is None:
        return ()
    shipped, serving = (ImageStats.load(folder / name) for name in (ONNX_STATS, CHAMPION_STATS))
    changes = working_point.recall_changes((shipped, ours), (serving, theirs), session.data.names)
    return tuple(gates.champion_recall(changes, session.spec.laws))


def _threshold(path: Path) -> float | None:
    """Return the served threshold of an evaluation record; None where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8")).get("threshold")
    except (OSError, ValueError, AttributeError):
        return None
    return None if found is None else float(found)
