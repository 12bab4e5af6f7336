"""Contract of an inspection task: miss rate at a bounded over-kill rate, with counts and exact bounds. Pure.

Per image: an image with true boxes is missed if no box at all is predicted above the threshold, since any box stops the
part; an image without true boxes is over-killed if one is. Per box: a true box is missed if none of its class is
predicted at IoU 0.50; the over-kill rate is the share of the predicted boxes that match no true box. Boxes of one image
are not independent, so that the bounds per box are approximate.
"""

from dataclasses import dataclass

import numpy as np

from automl.hpo import statistics
from automl.storage.detection_rate import RateCurve
from automl.storage.detections import ImageStats
from automl.study.gate_result import GateResult
from automl.study.objective import RateGoal
from automl.study.results import Contract


@dataclass(frozen=True, slots=True)
class Counted:
    """What a model missed and over-killed at a threshold."""

    missed: int
    defects: int
    """Images with true boxes, or true boxes."""
    overkilled: int
    fine: int
    """Images without true boxes, or predicted boxes."""

    @property
    def miss_rate(self) -> float:
        """Return the share of defects that were missed; 0 without any."""
        return self.missed / self.defects if self.defects else 0.0

    @property
    def overkill_rate(self) -> float:
        """Return the share over-killed; 0 without anything that can be."""
        return self.overkilled / self.fine if self.fine else 0.0


def count(stats: ImageStats, threshold: float, *, per: str) -> Counted:
    """Count misses and over-kills of the boxes above a threshold, per `image` or per `box`."""
    above = stats.conf > threshold
    if per == "box":
        hits = int((above & stats.tp[:, 0]).sum())
        found, truths = int(above.sum()), len(stats.truth_kind)
        return Counted(truths - hits, truths, found - hits, found)
    defective = np.bincount(stats.truth_image, minlength=stats.images) > 0
    stopped = np.bincount(stats.image[above], minlength=stats.images) > 0
    return Counted(
        int((defective & ~stopped).sum()),
        int(defective.sum()),
        int((~defective & stopped).sum()),
        int((~defective).sum()),
    )


def threshold(stats: ImageStats, wanted: Contract) -> float:
    """Return the lowest threshold, 0.001 to 0.999, at which the over-kill rate and those above it hold the contract.

    The lowest one misses least. The highest threshold if none holds.
    """
    return RateCurve.of(stats, RateGoal(wanted.max_overkill_rate, wanted.per)).at().threshold


def judge(stats: ImageStats, at: float, wanted: Contract) -> tuple[GateResult, GateResult]:
    """Return the gates of a contract: the upper bounds of miss rate and over-kill rate hold their limits."""
    found = count(stats, at, per=wanted.per)
    thing, fine = ("images with boxes", "images without") if wanted.per == "image" else ("boxes", "predicted boxes")
    return (
        _gate("miss rate", f"missed {found.missed} of {found.defects} {thing}",
              (found.missed, found.defects), wanted.max_miss_rate, wanted.confidence),
        _gate("over-kill rate", f"over-killed {found.overkilled} of {found.fine} {fine}",
              (found.overkilled, found.fine), wanted.max_overkill_rate, wanted.confidence),
    )  # fmt: skip


def _gate(name: str, what: str, counts: tuple[int, int], limit: float, confidence: float) -> GateResult:
    bound = statistics.upper_bound(*counts, confidence=confidence)
    verb = "holds with" if bound <= limit else "must hold, but got"
    needed = statistics.least_tries(limit, confidence=confidence)
    short = f"; needs at least {needed}, without failure" if counts[1] < needed else ""
    rate = counts[0] / counts[1] if counts[1] else 0.0
    text = (
        f"contract: {name} <= {limit:.2%} {verb} {rate:.2%}, at most {bound:.2%} ({confidence:.0%} confidence): "
        f"{what}{short}"
    )
    return GateResult(name, bound <= limit, limit, bound, text)
