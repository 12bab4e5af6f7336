"""Log lines on a trial: one for each decision, with its reason, short enough for a terminal of 80 columns."""

from automl.study import Answer, Ending, State, Trial
from automl.study.text import shown


def started(trial: Trial, *, again: bool, rank: str, metric: str) -> str:
    """Return why a trial gets a worker: it is new, it was interrupted (`again`), or it advances by its `rank`.

    >>> started(Trial(7, {"lr0": 0.01}, seed=7), again=False, rank="", metric="val/map50_95")
    'trial 7 starts: lr0=0.01'
    """
    if rank:
        return decided(trial, "advances at", rank, metric=metric)
    how = f"resumes after epoch {trial.epoch}" if trial.measurements else "starts again" if again else "starts"
    return f"trial {trial.number} {how}: {shown(trial.params)}"


def decided(trial: Trial, how: str, reason: str, *, metric: str) -> str:
    """Return a decision at a rung, with the best value so far: `trial 7 pauses at epoch 6: 0.0672, rank ...`."""
    value = trial.best(metric)
    return f"trial {trial.number} {how} epoch {trial.epoch}: {'' if value is None else f'{value:.4f}, '}{reason}"


def at_rung(trial: Trial, answer: Answer, reason: str, *, metric: str) -> str:
    """Return the decision that a trial pauses at or passes a rung."""
    return decided(trial, "pauses at" if answer is Answer.PAUSE else "passes", reason, metric=metric)


def ended(trial: Trial, ending: Ending, *, metric: str) -> str:
    """Return how a trial ended.

    >>> ended(Trial(7, {}, seed=7), Ending(pruned="rank 3 of 3, top 1 from 0.5000"), metric="val/map50_95")
    'trial 7 pruned at epoch 0: rank 3 of 3, top 1 from 0.5000'
    """
    value, how = trial.best(metric), ending.state.lower()
    if ending.state is State.FAILED:
        best = "" if value is None else f", best {value:.4f}"
        return f"trial {trial.number} {how} at epoch {trial.epoch}{best}: {ending.text}"
    return decided(trial, f"{how} at", ending.text, metric=metric)
