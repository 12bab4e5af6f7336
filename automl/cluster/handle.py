"""Who decides what runs: the protocol of a job source, and what carries it past Ray Tune's copying."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from automl.cluster.paused import Paused
from automl.study.errors import AutomlError, StudyError
from automl.trials.source import JobSource


class Handle:
    """Carries the source past Ray Tune's copying and pickling, which no open journal would survive."""

    def __init__(self, source: JobSource | None) -> None:
        """Hold a source; None is what comes out of a pickle."""
        self.source = source
        self.paused = Paused()
        self.failure: AutomlError | OSError | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> "Handle":
        return self

    def __reduce__(self) -> tuple[type["Handle"], tuple[None]]:
        return (Handle, (None,))

    def __call__(self) -> JobSource:
        """Return the source.

        Raises:
            StudyError: this handle came out of a pickle.
        """
        if self.source is None:
            raise StudyError("a job source must not be restored from Ray's own files; use `automl resume`")
        return self.source

    @property
    def stopping(self) -> bool:
        """Return True if everything shall stop, asked for or after a failure of the source."""
        return self().stopping or self.failure is not None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep a failure of the source (a full disk, say) for the caller of `run`; Ray Tune would only wrap it."""
        try:
            yield
        except (AutomlError, OSError) as error:
            self.failure = self.failure or error
