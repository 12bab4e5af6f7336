"""Handle of a job source that survives Ray Tune's copying and pickling."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from automl.cluster.paused import Paused
from automl.cluster.waiting import Waiting
from automl.study.errors import AutomlError, StudyError
from automl.trials.source import JobSource

LOG: Final = logging.getLogger(__name__)


class Handle:
    """Handle that Ray Tune may copy and pickle: an open journal cannot be copied."""

    def __init__(self, source: JobSource | None) -> None:
        """Wrap a source; None after unpickling."""
        self.source = source
        self.paused = Paused()
        self.waiting = Waiting()
        self.places: Callable[[], int | None] = lambda: None
        """Returns how many trials fit into the cluster now, None if unknown."""
        self.fitted = 0
        """How many fitted when the source was told last."""
        self.more_wanted: Callable[[int], bool] = lambda _fitted: False
        """Returns True if more nodes than these would be used: one job more is then started, and waits in Ray."""
        self._told = 0
        """How many jobs the source was told to run at a time; 0 before that."""
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

    def resize(self) -> None:
        """Tell the source if the number of trials that fit has changed.

        An autoscaler adds a node for a job that waits; where a user asks for more trials than fit, one does.
        """
        now, before = self.places(), self._told or self.fitted
        if now is None:
            return
        if now != self.fitted:
            LOG.info(f"cluster: {now} trials fit at a time now, {self.fitted} before")
            self.fitted = now
        self._told = now + self.more_wanted(now)
        if self._told != before:
            self().resize(self._told)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Store a failure of the source (e.g. a full disk) for the caller of `run`; Ray Tune would wrap it."""
        try:
            yield
        except (AutomlError, OSError) as error:
            self.failure = self.failure or error
