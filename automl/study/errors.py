"""The few error classes. Everything a user can cause is an AutomlError: printed without a traceback, exit 2."""

from collections.abc import Iterable


class AutomlError(Exception):
    """A condition that the user can mend; the message says how."""


class SpecError(AutomlError):
    """Mistakes in a study's description, all of them at once."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        """Keep the single mistakes apart, so that tests and callers can count them."""
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


class DataError(AutomlError):
    """The data set cannot be trained on."""


class StudyError(AutomlError):
    """The study folder is locked, belongs to another spec, or cannot be written."""


class TrialError(AutomlError):
    """A training that cannot go on; its message becomes the trial's cause."""


class ExportError(AutomlError):
    """An export, or the check of one, failed."""


class RegistryError(AutomlError):
    """The registry was asked for something that it does not hold, or holds damaged."""


class Interrupted(Exception):  # noqa: N818  (an event, no error)
    """The study was asked to stop; everything is kept."""
