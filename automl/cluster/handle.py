"""Handle of a job source that survives Ray Tune's copying and pickling."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from automl.cluster.paused import Paused
from automl.study.errors import AutomlError, StudyError
from automl.trials.source import JobSource


class Handle:
    """Handle that Ray Tune may copy and pickle: an open journal cannot be copied."""

    def __init__(self, source: JobSource | None) -> None:
        """Wrap a source; None after unpickling."""
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
            StudyError: this handle was unpickled.
        """
        if self.source is None:
            raise StudyError("a job source must not be restored from Ray's own files; use `automl resume`")
        return self.source

    @property
    def stopping(self) -> bool:
        """Return True if everything must stop: requested, or after a failure of the source."""
        return self().stopping or self.failure is not None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Store a failure of the source (e.g. a full disk) for the caller of `run`; Ray Tune would wrap it."""
        try:
            yield
        except (AutomlError, OSError) as error:
            self.failure = self.failure or error
