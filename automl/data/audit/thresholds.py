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

LEAST_LABELS: Final = 300
"""Labels from which the ranking is learned: below, the regression has fewer examples of a kind than terms."""
LEAST_FREE: Final = 0.02
"""Least confidence of a detection without a label that is looked at."""
EXPECTED: Final = 0.0125
"""Share of the labels expected to have one of four errors; it scales all probabilities alike."""
SHIFTS: Final = (0.1, 0.5)
"""A made-up moved box is shifted by a share of its sides in this range: less is a matter of taste, more looks added."""
STRETCH: Final = 0.3
"""Largest logarithm of the factor by which its sides change."""
PARTS: Final = 5
"""Parts of the images; each is judged by a regression on the others."""
PENALTY: Final = 30.0
"""Penalty on the regression's coefficients of standardised terms."""
IMAGES_LEARNED: Final = 2000
"""Images in which errors are made up at most: more examples change little and cost memory."""
LEAST_PROBABILITY: Final = 0.01
"""Suspects below are left out of the list."""
TIGHT: Final = 0.7
"""IoU with a label below which a model's detection counts as one of another box."""
FAINT_CONF: Final = 0.1
"""Confidence below which a detection at a label counts as none for the list of models that agree."""
TINIEST: Final = 1e-6
"""Least side of a box, as a share of the image, of which a logarithm is taken."""
AT_BORDER: Final = 0.01
"""Distance to the edge of the image, as a share of it, from which a box may be cut."""
