"""Exception classes. Every error that a user can cause is an AutomlError: printed without a traceback, exit 2."""

from collections.abc import Iterable

from automl.study.trial import EndReason


class AutomlError(Exception):
    """A condition that the user can fix; the message contains the remedy."""


class SpecError(AutomlError):
    """Mistakes in a study's description, all of them at once."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        """Store the single mistakes, so that tests and callers can count them."""
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


class DataError(AutomlError):
    """The data set cannot be trained on."""


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
