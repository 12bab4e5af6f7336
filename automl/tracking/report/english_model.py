"""English strings of the report on the model that ships; as `english`."""

from collections.abc import Mapping
from typing import Final

ENGLISH_MODEL: Final[Mapping[str, str]] = {
    "f1_short": "F1",
    "served_line": "served",
    "working": "Threshold: what is found at which confidence",
    "working_text": "On {split}, {images} images, at IoU 0.50, from the kept detections of what ships. The threshold "
    "is the least confidence of a box. {served} The best threshold is the one with the highest F1 "
    "over 0.001 to 0.999 on these images, so that its F1 is slightly optimistic.",
    "working_recorded": "Boxes above {threshold} are served, as the evaluation record says.",
    "working_default": "Boxes above {threshold} are served, the default of the server, since the evaluation record "
    "names none.",
    "at_served": "{metric} at {threshold}",
    "at_best": "{metric} at best",
    "best_threshold": "best threshold",
    "ceiling": "recall of all boxes",
    "alone": "objects without a box",
    "working_ceiling": "“Recall of all boxes” counts boxes of any confidence: a lower threshold cannot find more. "
    "“Objects without a box” are covered by no box of any class at IoU 0.50: no threshold finds "
    "them, but data, features or a larger image size may.",
    "confusion": "Confusion matrix",
    "confusion_text": "On {split}, boxes above the served threshold {threshold}, IoU 0.50. Columns are the true "
    "classes, rows what was found. Each cell: number, and share of its column (in the last column of "
    "its row).",
    "confusion_most": "The {most} classes with the most objects of {all}.",
    "predicted_true": "found \\ true",
    "background": "background",
    "not_found": "not found",
    "errors": "Worst errors",
    "errors_text": "On {split} at the served threshold {threshold}: {false} false boxes and {missed} missed "
    "objects. Of each class in turn the worst, at most {each} of an image.",
    "errors_legend": 'Boxes: <span class="key truth">labelled</span> <span class="key found">found</span> <span '
    'class="key false">the false box</span> <span class="key missed">the missed object</span>',
    "errors_none": "The kept detections are without boxes, as an earlier version wrote them: no confusion matrix "
    "and no crops. Measure the model again to see them.",
    "errors_away": "{count} images with errors cannot be read now (the data set is away, or a file cannot be "
    "decoded), so their crops are missing.",
    "errors_false": "False boxes, by falling confidence",
    "errors_missed": "Missed objects, those never found first",
    "errors_clean": "none",
    "false.background": "background, no object there",
    "false.class": "an object of another class",
    "false.again": "a second box of a found object",
    "false.loose": "next to an object, IoU below 0.50",
    "false.background.text": "no object there",
    "false.class.text": "it is {name}",
    "false.again.text": "a second box of {name}",
    "false.loose.text": "IoU {iou} with {name}",
    "missed.low": "found at {conf}, below the threshold",
    "missed.covered": "found as another class, or its box belongs to a neighbour",
    "missed.never": "no box at any confidence",
    "picture_of": "last picture {tag} of this training",
    "gate_of": "{what}: {measure}{at}, against the weights",
    "gate_at": " at threshold {threshold}",
    "gate_target": "target <code>{name}</code>",
    "measure.objective": "objective",
    "measure.F1": "F1",
    "measure.precision": "precision",
    "measure.recall": "recall",
    "measure.class recall": "lowest recall of a class",
    "measure.confidence": "mean confidence",
    "measure.built": "built and measured",
}
