"""Thresholds of the label audit, each with its reason; what they find is in benchmarks/README.md (decision 33)."""

from typing import Final

LEAST_CONF: Final = 0.01
"""Detections with less confidence are not asked for: a label that only they support is not found."""
SAME_PLACE: Final = 0.5
"""IoU from which a detection and a label are of one object (as in VOC)."""
NEAR: Final = 0.1
"""IoU from which a detection may be of a label's object at another place; below, of background (as in TIDE)."""
TAKEN: Final = 0.3
"""IoU with a label from which a detection is no missing label."""
AGREE: Final = 0.25
"""Score of a single model from which it agrees; confidences are levels among those at labels of the class."""
TYPICAL_QUANTILE: Final = 0.2
"""Quantile of the IoU of matched labels of a class: a box is loose where its IoU is below it."""
WORST_IOU: Final = 0.3
"""IoU from which on down a box counts as fully loose."""
ERRORS: Final = 0.02
"""Share of the labels of a class that is expected to have an error of one kind."""
WEIGHTS: Final = {"wrong class": 1.0, "missed": 0.6, "extra": 0.25, "loose box": 0.8}
"""Factor of each kind: of `extra`, many are objects at the border, or unlabelled on purpose."""
LEAST_SCORE: Final = 0.02
"""Suspects below are left out of the list."""
FEWEST: Final = 5
"""Matched labels of a class below which the statistics of all classes are used for it."""
