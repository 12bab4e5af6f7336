"""The model that ships: its kept detections on the judged split and its served threshold."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from automl.storage.boxes import Boxes
from automl.storage.detections import ImageStats
from automl.storage.layout import CONFIRM, EVALUATION, EXPORT, JUDGED, ONNX_STATS, TORCH_STATS
from automl.storage.records import RecordError
from automl.study.verdict import Verdict
from automl.tracking.diagnosis.matches import Matches, match

DEFAULT_THRESHOLD: Final = 0.25
"""Of the server, where the evaluation record names none."""
DEFAULT_IOU: Final = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class ShippedModel:
    """What is known of the model that ships."""

    name: str
    """As in `Finding.trial`."""
    split: str
    stats: ImageStats
    names: Mapping[int, str]
    threshold: float = DEFAULT_THRESHOLD
    """Confidence above which its boxes are served."""
    iou: float = DEFAULT_IOU
    """IoU threshold of its non-maximum suppression."""
    recorded: bool = False
    """Whether the evaluation record names the threshold."""
    boxes: Boxes | None = None
    matches: Matches | None = None
    """None where the detections were kept without boxes."""

    @classmethod
    def of(cls, stats: ImageStats, verdict: Verdict, settings: Mapping[str, Any]) -> Self:
        """Match the detections, where their boxes are kept; `settings` are those of `served`."""
        return cls(
            name=verdict.shipped.name if verdict.shipped else verdict.side,
            split=verdict.split,
            stats=stats,
            names={int(number): name for number, name in verdict.names.items()},
            boxes=stats.boxes,
            matches=match(stats, stats.boxes) if stats.boxes else None,
            **settings,
        )


def read(folder: Path, verdict: Verdict) -> ShippedModel | None:
    """Return the model of the study in a folder; None if no detections of it are kept or can be read."""
    found = detections(folder, verdict)[0]
    return ShippedModel.of(found, verdict, served(folder)) if found else None


def detections(folder: Path, verdict: Verdict) -> tuple[ImageStats | None, list[Path]]:
    """Return the detections of what ships on the judged split, and the files that cannot be read."""
    paths = [folder / EXPORT / name for name in (ONNX_STATS, TORCH_STATS)]
    if verdict.shipped:
        paths.append(folder / CONFIRM / verdict.shipped.name / JUDGED)
    damaged: list[Path] = []
    for path in paths:
        found, more = load([path])
        damaged += more
        if found:
            return found[0], damaged
    return None, damaged


def load(paths: Iterable[Path]) -> tuple[list[ImageStats], list[Path]]:
    """Return the detections of the files that are there, and the files that cannot be read."""
    found, damaged = [], []
    for path in paths:
        if path.is_file():
            try:
                found.append(ImageStats.load(path))
            except RecordError:
                damaged.append(path)
    return found, damaged


def served(folder: Path) -> dict[str, Any]:
    """Return `threshold`, `iou` and `recorded` of a `ShippedModel` by the evaluation record, else the defaults."""
    try:
        record = json.loads((folder / EXPORT / EVALUATION).read_text(encoding="utf-8"))
        known = [float(value) for name in ("threshold", "conf") if (value := record.get(name)) is not None]
        threshold = known[0] if known else DEFAULT_THRESHOLD
        return {"threshold": threshold, "iou": float(record.get("iou") or DEFAULT_IOU), "recorded": bool(known)}
    except (OSError, ValueError, TypeError, AttributeError):
        return {"threshold": DEFAULT_THRESHOLD, "iou": DEFAULT_IOU}
