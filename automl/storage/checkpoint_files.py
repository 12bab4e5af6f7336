"""The weights in a trial's folder: what they take, who keeps them, and the one function that deletes.

Only files that a trial writes itself are ever deleted, and only of trials whose ending is in the journal.
"""

import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Final

from automl.storage.layout import BEST, CONFIRM, LAST, TRIALS
from automl.study import State, Trial
from automl.study.spec import StudySpec
from automl.study.text import amount, trial_name

OURS: Final = re.compile(r"(last|previous|next|best)\.pt|damaged-.*\.pt|\.(last|previous|next|best)\.pt\..+")
"""Checkpoints, those set aside as damaged, and the halves that a killed writer leaves."""
KEPT: Final = frozenset({LAST, BEST})
"""What an ended trial keeps that is among the best; the checkpoint before the last is of use to live ones only."""

QUOTA: Final = "storage quota"
"""How the reason begins of a paused trial that ended to make room."""

Merit = tuple[bool, float, int]
Say = Callable[[str], None]


def merit(trial: Trial, metric: str) -> Merit | None:
    """Return by what ended trials are ranked, higher is better: trained to the end first, then the best value.

    Of equal ones the earlier is ahead. None for a trial whose weights go in any case: it has no value, or it ended to
    make room.
    """
    value = trial.best(metric)
    made_room = trial.ending is not None and trial.ending.pruned.startswith(QUOTA)
    return None if value is None or made_room else (trial.state is State.COMPLETED, value, -trial.number)


def give_up(folder: Path, *, say: Say, keep: Collection[str] = ()) -> int:
    """Delete a trial's weights but for those named, and return the bytes that this freed.

    What cannot be deleted stays, and is said: it costs room, not the study.
    """
    freed = 0
    for path in _weights(folder, say=say):
        if path.name in keep:
            continue
        try:
            size = path.lstat().st_size
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            say(f"retention: {path} stays: {error.strerror}")
            continue
        freed += size
    return freed


def settled(folder: Path, shipped: Path, *, say: Say) -> None:
    """Give up the weights of all re-trainings of a study but the shipped one's, once the verdict is in the journal."""
    others = [path for path in sorted((folder / CONFIRM).glob("*")) if path != shipped.parent]
    freed = {path.name: give_up(path, say=say) for path in others}
    if any(freed.values()):
        say(
            f"retention: {sum(map(bool, freed.values()))} re-trainings that do not ship gave up their weights, "
            f"{amount(sum(freed.values()))}"
        )


def thinned(folder: Path, spec: StudySpec, trials: Iterable[Trial], shipped: Path, *, say: Say) -> None:
    """Give up the weights of all trials but the best `retention.keep` and the shipped one, after the verdict."""
    ranked = [(rank, trial) for trial in trials if trial.ending and (rank := merit(trial, spec.metric))]
    best = sorted(ranked, key=lambda pair: pair[0], reverse=True)[: spec.retention.keep]
    kept = {folder / TRIALS / trial_name(trial, spec.model) for _, trial in best} | {shipped.parent}
    others = [path for path in sorted((folder / TRIALS).glob("*")) if path not in kept]
    freed = {path.name: give_up(path, say=say) for path in others}
    if any(freed.values()):
        say(
            f"retention: {sum(map(bool, freed.values()))} trials that do not ship gave up their weights, "
            f"{amount(sum(freed.values()))}"
        )


def _weights(folder: Path, *, say: Say) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if OURS.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        say(f"retention: {folder} stays as it is: {error.strerror}")
        return []
