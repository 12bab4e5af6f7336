"""Checkpoint files of trials: ranking for retention, and the only function that deletes them.

Only files that a trial writes itself are ever deleted, and only of trials whose ending is in the journal.
"""

import logging
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from automl.storage.layout import BEST, CONFIRM, LAST, TRIALS
from automl.study import EndReason, State, Trial
from automl.study.text import amount

LOG: Final = logging.getLogger(__name__)

OURS: Final = re.compile(r"(last|previous|next|best)\.pt|damaged-.*\.pt|\.(last|previous|next|best)\.pt\..+")
"""Checkpoints, those renamed as damaged, and partial files of a killed writer."""
KEPT: Final = frozenset({LAST, BEST})
"""Files kept of an ended trial that is among the best; only live trials need the checkpoint before the last."""

Merit = tuple[bool, float, int]


def merit(trial: Trial, metric: str) -> Merit | None:
    """Return the sort key of an ended trial, higher is better: completed first, then by best value.

    Of ties the earlier ranks higher. None for a trial whose weights are always deleted: it has no value, or it was
    evicted.
    """
    value = trial.best(metric)
    evicted = trial.ending is not None and trial.ending.reason is EndReason.QUOTA
    return None if value is None or evicted else (trial.state is State.COMPLETED, value, -trial.number)


def delete_weights(folder: Path, *, keep: Collection[str] = ()) -> int:
    """Delete a trial's weights except those named, and return the bytes freed.

    A file that cannot be deleted is logged and kept.
    """
    freed = 0
    for path in _weights(folder):
        if path.name in keep:
            continue
        try:
            size = path.lstat().st_size
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            LOG.warning(f"retention: {path} could not be deleted: {error.strerror}")
            continue
        freed += size
    return freed


def delete_retraining_weights(folder: Path, shipped: Path) -> None:
    """Delete the weights of all re-trainings but the shipped one, once the verdict is in the journal."""
    others = [path for path in sorted((folder / CONFIRM).glob("*")) if path != shipped.parent]
    freed = {path.name: delete_weights(path) for path in others}
    if any(freed.values()):
        LOG.info(
            f"retention: weights of {sum(map(bool, freed.values()))} re-trainings that do not ship are deleted, "
            f"{amount(sum(freed.values()))}"
        )


def best_ended(trials: Iterable[Trial], metric: str, *, most: int) -> list[Trial]:
    """Return the best ended trials, the best first; none whose weights are always deleted."""
    ranked = [(rank, trial) for trial in trials if trial.ending and (rank := merit(trial, metric))]
    return [trial for _, trial in sorted(ranked, key=lambda pair: pair[0], reverse=True)[:most]]


def delete_trial_weights(folder: Path, shipped: Path, *, best: Iterable[Path]) -> None:
    """Delete the weights of all trials but the best `retention.keep` and the shipped one, after the verdict.

    `best` are the folders of the best.
    """
    kept = {*best, shipped.parent}
    others = [path for path in sorted((folder / TRIALS).glob("*")) if path not in kept]
    freed = {path.name: delete_weights(path) for path in others}
    if any(freed.values()):
        LOG.info(
            f"retention: weights of {sum(map(bool, freed.values()))} trials that do not ship are deleted, "
            f"{amount(sum(freed.values()))}"
        )


def _weights(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if OURS.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        LOG.warning(f"retention: {folder} could not be read: {error.strerror}")
        return []
