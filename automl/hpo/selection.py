"""Model selection: which of a study's trained models ships. Pure.

Candidates are all models trained to the last epoch, of the search and of the re-trainings, whatever the verdict on the
params: the seed is a part of a model's quality, and val shows it. In `benchmarks/shipping.py` this ships 0.004 mAP50-95
more than the best re-training and 0.001 more than the best model of the params with the highest mean (the latter is
better by about 0.001 if val has three times the noise of the seeds); shrinking to the mean of a model's params gains
0.0001. The chosen model's value on val has a selection bias: judge it on another split.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from automl.study import State, Trial
from automl.study.errors import StudyError


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained model that may ship."""

    name: str
    """`trial 7`, `trial7_seed1000002`, `default_seed1000000`."""
    side: str
    """The params it was trained with: `trial7`, `default`."""
    on_val: float
    """The objective of its best weights on the validation split."""
    weights: Path


def choose(candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate that is best on the validation split; of ties the first.

    Raises:
        ValueError: there is no candidate.
    """
    if not candidates:
        raise ValueError("candidates: must be at least one model, but got none")
    return max(candidates, key=lambda candidate: candidate.on_val)


def paused(trial: Trial, *, rungs: tuple[int, ...], scheduler: str) -> bool:
    """Return True if a trial is paused at a rung, according to its record alone.

    Also true of a trial that has just advanced, until its next epoch. False if its training conditions changed.
    """
    return scheduler == "promotion" and trial.state is State.RUNNING and trial.epoch in rungs and not trial.changed


def best_trial(trials: Sequence[Trial], metric: str) -> Trial:
    """Return the trial whose best weights score highest among those trained to the last epoch as requested.

    If the budget was spent before any got there, the best of those trained longest: the confirmation retrains it to the
    last epoch in any case.

    Raises:
        StudyError: no trial completed an epoch with the requested settings.
    """
    equals = [trial for trial in trials if not trial.changed]
    completed = [trial for trial in equals if trial.state is State.COMPLETED]
    longest = max((trial.epoch for trial in equals if trial.state is State.PRUNED), default=0)
    pool = completed or [trial for trial in equals if trial.state is State.PRUNED and trial.epoch == longest > 0]
    if not pool:
        causes = {trial.ending.cause or trial.changed for trial in trials if trial.ending} - {""}
        why = f"; causes: {' | '.join(sorted(causes))}" if causes else ""
        raise StudyError(f"no trial completed an epoch with the requested settings{why}; see the log.txt of each trial")
    return max(pool, key=lambda trial: (trial.best(metric) or 0.0, -trial.number))
