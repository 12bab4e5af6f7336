"""Baseline of a study: derived from its description and data set, and stored in its journal."""

from collections.abc import Mapping
from typing import Any, Final

from automl.data.record import DataSet
from automl.storage.journal import Journal
from automl.study.baseline import Baseline, baseline_of
from automl.study.space import SearchSpace
from automl.study.text import shown
from automl.trainers import trainer_of

BASELINE: Final = "baseline"
"""Journal key of the baseline."""


def recorded(
    journal: Journal, data: DataSet, *, space: SearchSpace, train: Mapping[str, Any], epochs: int
) -> Baseline | None:
    """Return the baseline from the journal; it is derived and recorded before the first trial.

    None for a study that began without one.
    """
    if plain := journal.notes().get(BASELINE):
        with journal.interpreted():
            return Baseline.from_dict(plain)
    if journal.trials():
        return None
    found = baseline_for(data, space, train=train, epochs=epochs)
    journal.note(BASELINE, found.to_dict())
    return found


def baseline_for(data: DataSet, space: SearchSpace, *, train: Mapping[str, Any], epochs: int) -> Baseline:
    """Return the params of a plain `yolo train` on this data set, with as many epochs as this study's trials."""
    given = {**space.defaults(), **train}
    trainer = trainer_of()
    resolved = trainer.resolve_auto(
        images=train_images(data, given),
        classes=1 if given.get("single_cls") else len(data.names),
        epochs=epochs,
        batch=int(given.get("batch", trainer.BATCH)),
    )
    return baseline_of(space, train, plain=trainer.plain_hyperparameters(), resolved=resolved)


def train_images(data: DataSet, given: Mapping[str, Any]) -> int:
    """Return the number of images that a training with these settings trains on."""
    fraction, images = given.get("fraction", 1.0), len(data.images["train"])
    part = min(fraction, images) if isinstance(fraction, int) else round(images * float(fraction))
    return max(1, part)


def summary(baseline: Baseline) -> str:
    """Return the line on the baseline for the log and `check`."""
    automatic = ("optimizer", "lr0", "momentum", "warmup_bias_lr")
    explicit = shown({name: baseline.settings[name] for name in automatic})
    where = "a point of the space" if baseline.inside else f"outside the space, trained with {shown(baseline.params)}"
    return f"baseline (trial 0): a plain yolo train, whose optimizer=auto resolves to {explicit}; {where}"
