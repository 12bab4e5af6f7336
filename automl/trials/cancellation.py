"""Cancellation of single trials by a user."""

from collections.abc import Sequence

from automl.study import Ending, EndReason, Trial
from automl.study.errors import StudyError


def check(number: int, trials: Sequence[Trial]) -> None:
    """Check that a trial may be canceled.

    Raises:
        StudyError: there is none, it has ended, or it is the baseline.
    """
    if not 0 <= number < len(trials):
        there = f"trials 0 to {len(trials) - 1} have begun" if trials else "no trial has begun"
        raise StudyError(f"trial {number}: must have begun, but {there}")
    if ending := trials[number].ending:
        raise StudyError(f"trial {number}: must not have ended, but it {ending.state.lower()}: {ending.text}")
    if number == 0:
        raise StudyError("trial 0: must not be canceled: it is the baseline, with which all others are compared")


def ending(by: str) -> Ending:
    """Return the ending of a canceled trial; its epochs count as those of a pruned one."""
    return Ending(pruned=f"canceled by {by}", kind=EndReason.CANCELED)
