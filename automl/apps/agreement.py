"""Agreement of two runtimes on the same pictures: the boxes at the served threshold, and their confidences. Pure.

A box near the threshold may be on either side of it by rounding alone: only a box that is sure, above the threshold by
more than the allowed drift, must be found by both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.storage.boxes import overlaps
from automl.study.gate_result import GateResult

Boxes = NDArray[np.float32]
"""n x 6: x0, y0, x1, y1, confidence, class."""
SAME_BOX: Final = 0.5
"""IoU from which two boxes of a class are the same."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two runtimes compared."""

    pictures: int
    sure: int
    """Sure boxes of both sides."""
    lonely: int
    """Sure boxes of either side that the other does not find."""
    drift: float
    """Largest difference of the mean confidence of the boxes that both find, with its sign."""
    shift: float
    """Largest difference of an edge of these boxes. Unit: pixels of the letterbox."""

    def gates(self, target: str, *, max_lost: float, max_drift: float) -> Iterator[GateResult]:
        """Yield the gates: sure boxes on the pictures, those that one side alone finds, the confidences."""
        what, share = f"target {target} on its device", self.lonely / self.sure if self.sure else 1.0
        there = f"{self.sure} sure boxes on {self.pictures} pictures"
        laws = (
            ("pictures", 1.0, float(self.sure), f"sure boxes on {self.pictures} pictures >= 1"),
            ("boxes", max_lost, share, f"share of {there} that its graph or the device alone finds <= {max_lost:g}"),
            (
                "confidence",
                max_drift,
                abs(self.drift),
                f"difference of the mean confidence to its graph <= {max_drift:g}",
            ),
        )
        for name, limit, value, law in laws:
            passed = value >= limit if name == "pictures" else value <= limit
            text = f"{what}: {law} {'holds with' if passed else 'must hold, but got'} {value:.4g}"
            yield GateResult(f"{what} {name}", passed, limit, value, text)


def compare(device: Sequence[Boxes], graph: Sequence[Boxes], *, threshold: float, drift: float) -> Agreement:
    """Compare the boxes of each picture; both sides have all boxes above the threshold less the drift.

    >>> box = np.array([[0, 0, 10, 10, 0.9, 0]], np.float32)
    >>> compare([box], [box], threshold=0.5, drift=0.05)
    Agreement(pictures=1, sure=2, lonely=0, drift=0.0, shift=0.0)
    >>> compare([box[:0]], [box], threshold=0.5, drift=0.05).lonely
    1
    """
    sure = lonely = 0
    drifts: list[float] = []
    shifts: list[float] = []
    for ours, theirs in zip(device, graph, strict=True):
        pairs = _pairs(ours, theirs)
        drifts += [float(ours[one, 4] - theirs[two, 4]) for one, two in pairs]
        shifts += [float(np.abs(ours[one, :4] - theirs[two, :4]).max()) for one, two in pairs]
        for side, matched in ((ours, {one for one, _ in pairs}), (theirs, {two for _, two in pairs})):
            certain = np.flatnonzero(side[:, 4] > threshold + drift)
            sure += len(certain)
            lonely += sum(int(index) not in matched for index in certain)
    mean = float(np.mean(drifts)) if drifts else 0.0
    return Agreement(len(device), sure, lonely, mean, max(shifts, default=0.0))


def _pairs(ours: Boxes, theirs: Boxes) -> list[tuple[int, int]]:
    """Return the pairs of the same box, the largest overlap first."""
    overlap = _overlap(ours, theirs)
    found: list[tuple[int, int]] = []
    while overlap.size and overlap.max() >= SAME_BOX:
        one, two = (int(index) for index in np.unravel_index(overlap.argmax(), overlap.shape))
        found.append((one, two))
        overlap[one, :], overlap[:, two] = 0, 0
    return found


def _overlap(ours: Boxes, theirs: Boxes) -> NDArray[np.float64]:
    """Return the IoU of each pair of boxes; 0 for two of different classes."""
    return np.where(
        ours[:, None, 5] == theirs[None, :, 5], overlaps(ours[:, :4].astype(float), theirs[:, :4].astype(float)), 0.0
    )
