"""The weights in a trial's folder: what they take, who keeps them, and the one function that deletes.

Only files that a trial writes itself are ever deleted, and only of trials whose ending is in the journal.
"""

import logging
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from automl.storage.layout import BEST, CONFIRM, LAST, TRIALS
from automl.study import EndReason, State, Trial
from automl.study.spec import StudySpec
from automl.study.text import amount, trial_name

LOG: Final = logging.getLogger(__name__)

OURS: Final = re.compile(r"(last|previous|next|best)\.pt|damaged-.*\.pt|\.(last|previous|next|best)\.pt\..+")
"""Checkpoints, those set aside as damaged, and the halves that a killed writer leaves."""
KEPT: Final = frozenset({LAST, BEST})
"""What an ended trial keeps that is among the best; the checkpoint before the last is of use to live ones only."""

Merit = tuple[bool, float, int]


def merit(trial: Trial, metric: str) -> Merit | None:
    """Return by what ended trials are ranked, higher is better: trained to the end first, then the best value.

    Of equal ones the earlier is ahead. None for a trial whose weights go in any case: it has no value, or it ended to
    make room.
    """
    value = trial.best(metric)
    made_room = trial.ending is not None and trial.ending.reason is EndReason.QUOTA
    return None if value is None or made_room else (trial.state is State.COMPLETED, value, -trial.number)


def give_up(folder: Path, *, keep: Collection[str] = ()) -> int:
    """Delete a trial's weights but for those named, and return the bytes that this freed.

    What cannot be deleted stays, and is said: it costs room, not the study.
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
            LOG.warning(f"retention: {path} stays: {error.strerror}")
            continue
        freed += size
    return freed


def settled(folder: Path, shipped: Path) -> None:
    """Give up the weights of all re-trainings of a study but the shipped one's, once the verdict is in the journal."""
    others = [path for path in sorted((folder / CONFIRM).glob("*")) if path != shipped.parent]
    freed = {path.name: give_up(path) for path in others}
    if any(freed.values()):
        LOG.info(
            f"retention: {sum(map(bool, freed.values()))} re-trainings that do not ship gave up their weights, "
            f"{amount(sum(freed.values()))}"
        )


def thinned(folder: Path, spec: StudySpec, trials: Iterable[Trial], shipped: Path) -> None:
    """Give up the weights of all trials but the best `retention.keep` and the shipped one, after the verdict."""
    ranked = [(rank, trial) for trial in trials if trial.ending and (rank := merit(trial, spec.metric))]
    best = sorted(ranked, key=lambda pair: pair[0], reverse=True)[: spec.retention.keep]
    kept = {folder / TRIALS / trial_name(trial, spec.model) for _, trial in best} | {shipped.parent}
    others = [path for path in sorted((folder / TRIALS).glob("*")) if path not in kept]
    freed = {path.name: give_up(path) for path in others}
    if any(freed.values()):
        LOG.info(
            f"retention: {sum(map(bool, freed.values()))} trials that do not ship gave up their weights, "
            f"{amount(sum(freed.values()))}"
        )


def _weights(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if OURS.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        LOG.warning(f"retention: {folder} stays as it is: {error.strerror}")
        return []
