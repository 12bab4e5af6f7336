"""Ranking of suspect labels by detections of models: learned where there are labels enough, else by rules."""

from collections.abc import Sequence

from automl.data.audit import learned, rules
from automl.data.audit.records import AuditImage, Suspect
from automl.data.audit.thresholds import LEAST_LABELS


def rank(images: Sequence[AuditImage], *, names: Sequence[str], models: Sequence[str]) -> list[Suspect]:
    """Return the suspect labels of images, the most suspicious first.

    A label is named once, for its most suspicious fault.

    Args:
        images: labels and detections; class numbers are places in `names`.
        names: class names.
        models: names of the models, in the order of the detections.
    """
    way = learned.rank if is_learned(images) else rules.rank
    return way(images, names=names, models=models)


def is_learned(images: Sequence[AuditImage]) -> bool:
    """Return True if scores are estimated probabilities of a classifier, False if they are those of rules."""
    return sum(len(image.labels) for image in images) >= LEAST_LABELS
