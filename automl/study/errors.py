"""Exception classes. Every error that a user can cause is an AutomlError: printed without a traceback, exit 2."""

from collections.abc import Iterable
from typing import Final, Self

from automl.study.trial import EndReason

MOST_SHOWN: Final = 100
"""Mistakes that a message lists; a description of 30,000 wrong keys would fill a screen for ever."""

LONGEST: Final = 5000
"""Letters of one mistake: a name or a path of a megabyte is not repeated whole."""


class AutomlError(Exception):
    """A condition that the user can fix; the message contains the remedy.

    The arguments are the lines of the message. A line break inside one of them came from the user, such as from the
    name of a file, and is shown as an escape.
    """

    def __str__(self) -> str:
        """Return the message, one line for each argument."""
        return "\n".join(map(str, self.args))


class SpecError(AutomlError):
    """Mistakes in a study's description, all of them at once."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        """Store the single mistakes, so that tests and callers can count them."""
        self.mistakes = tuple(_cut(mistake) for mistake in mistakes)
        more = len(self.mistakes) - MOST_SHOWN
        listed = [*self.mistakes[:MOST_SHOWN], *([f"and {more} more mistakes"] if more > 0 else [])]
        super().__init__(*listed)

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[str, ...]]]:
        """Return what a pickle holds: this class takes a list, not the lines one by one."""
        return type(self), (self.mistakes,)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


class DataError(AutomlError):
    """The data set cannot be trained on."""


class DataAwayError(DataError):
    """Staged images lead nowhere, such as while the mount of the data set is away: the work is to be done again."""


class StudyError(AutomlError):
    """The study folder is locked, belongs to another spec, or cannot be written."""


class TrialError(AutomlError):
    """A training that cannot continue; its message becomes the trial's cause."""

    def __init__(self, message: str, *, reason: EndReason | None = None) -> None:
        """Store the end reason of the trial, None where there is none but the message."""
        self.reason = reason
        super().__init__(message)


class ExportError(AutomlError):
    """An export, or the check of one, failed."""


class RegistryError(AutomlError):
    """A registry entry that is missing or damaged."""


class Interrupted(Exception):  # noqa: N818  (an event, no error)
    """The study was interrupted by a request to stop; everything is kept."""
