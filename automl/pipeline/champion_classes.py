"""Recall of each class against the serving champion: a model that is better on the whole may have lost a class.

Both are compared at their own served thresholds, on the judged images, whose detections the comparison with the
champion has kept.
"""

import logging
from pathlib import Path
from typing import Final

from automl.pipeline.session import Session
from automl.release import gates, working_point
from automl.storage import records
from automl.storage.detections import ImageStats
from automl.storage.layout import CHAMPION_STATS, EVALUATION, EXPORT, ONNX_STATS
from automl.study.gate_result import GateResult
from automl.study.verdict import Interval

LOG: Final = logging.getLogger(__name__)


def judged(session: Session, champion: int, over: Interval | None) -> tuple[GateResult, ...]:
    """Return the gate on the class that loses most recall; none without a comparison with a champion.

    A champion of an earlier program, which has no served threshold, is not compared, which the log says.

    Raises:
        RecordError: an evaluation record is damaged.
    """
    folder = session.folder / EXPORT
    if over is None:
        return ()
    theirs = _threshold(session.place.registry(session.spec.champion_name).path(champion) / EVALUATION)
    ours = _threshold(folder / EVALUATION)
    if theirs is None or ours is None:
        LOG.info(f"recall of each class is not compared with champion version {champion}: it has no served threshold")
        return ()
    shipped, serving = (ImageStats.load(folder / name) for name in (ONNX_STATS, CHAMPION_STATS))
    changes = working_point.recall_changes((shipped, ours), (serving, theirs), session.data.names)
    return tuple(gates.champion_recall(changes, session.spec.laws))


def _threshold(path: Path) -> float | None:
    """Return the served threshold of an evaluation record; None where there is none.

    Raises:
        RecordError: the record is damaged.
    """
    try:
        found = records.read_json(path, kind="the evaluation record of a model", remedy="restore it from a copy")
    except FileNotFoundError:  # an earlier program wrote none
        return None
    return None if found.get("threshold") is None else float(found["threshold"])
