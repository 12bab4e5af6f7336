"""The version that serves, and the poll that replaces it when its alias moves to another version.

The next version is loaded and tested beside the present one, then takes its place in one assignment; requests keep the
version with which they began. A version that cannot be loaded changes nothing: the present one continues to serve.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl.apps.registry import number_or_alias, stored
from automl.apps.serve.version import Served, load
from automl.storage.registry import Registry
from automl.study.errors import RegistryError
from automl.study.text import one_line

LOG: Final = logging.getLogger(__name__)

LONGEST_WAIT: Final = 60.0
"""Seconds between two attempts to load a version that failed; the first follows after one poll, then twice as long."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the alias is not followed."""

    version: int | None
    """The version that was refused; None where the alias itself cannot be read."""
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return the failure as JSON."""
        return {"version": self.version, "error": self.reason}


class Serving:
    """The version that serves: `current`, replaced as a whole."""

    def __init__(
        self,
        current: Served,
        *,
        registry: Registry | None = None,
        alias: str = "",
        target: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Serve a version; with a registry and an alias, the one that the alias names from then on."""
        self.current = current
        self.alias = alias if registry else ""
        self.thread: threading.Thread | None = None
        """What polls the alias."""
        self._failure: Failure | None = None
        self.swaps = self.failed_swaps = 0
        self._registry, self._target, self._clock = registry, target, clock
        self._wait, self._next = 0.0, 0.0

    @property
    def failure(self) -> Failure | None:
        """Return why the alias is not followed; None if it is."""
        if self._failure is None and self.thread is not None and not self.thread.is_alive():
            return Failure(None, "the thread that follows the alias has ended; restart the server")
        return self._failure

    def poll(self, *, every: float = 0.0) -> None:
        """Read the alias, and replace the version if it names another one."""
        if self._registry is None:
            return
        try:
            wanted = int(self._registry.path(self.alias, target=self._target).name)
        except (RegistryError, OSError) as error:
            self._fail(None, error)
            return
        if wanted == self.current.number:
            self._failure, self._wait, self._next = None, 0.0, 0.0
        elif self._clock() >= self._next or self._failure is None or self._failure.version != wanted:
            self._replace(self._registry, wanted, every)

    def _replace(self, registry: Registry, wanted: int, every: float) -> None:
        if self._failure is None or self._failure.version != wanted:
            self._wait = every
        try:
            loaded = load(registry, wanted, target=self._target)
        except (RegistryError, OSError, MemoryError) as error:
            self.failed_swaps += 1
            self._fail(wanted, error)
            self._next = self._clock() + self._wait
            self._wait = min(max(2 * self._wait, every), LONGEST_WAIT)
            return
        before, self.current = self.current.number, loaded
        self._failure, self._wait, self._next = None, 0.0, 0.0
        self.swaps += 1
        LOG.info(f"{loaded.name}: version {loaded.number} serves in place of version {before}")

    def _fail(self, version: int | None, error: Exception) -> None:
        """Record why the alias is not followed; the same reason is logged once."""
        reason = str(error) or type(error).__name__
        if self._registry is not None:
            reason = one_line(reason.replace(f"{self._registry.folder}/", ""))
        failure = Failure(version, reason)
        if failure != self._failure:
            what = f"version {version}" if version else f"alias {self.alias}"
            now = self.current.number
            LOG.warning(f"{self.current.name}: {what} is not served, version {now} continues to serve: {reason}")
        self._failure = failure


def opened(folder: Path, reference: str, *, target: str = "") -> Serving:
    """Return the version of a registry folder: fixed if a number is given, that of an alias else.

    `target` is the target whose artifact runs; empty for the ONNX file.

    Raises:
        RegistryError: it does not exist, was changed, or cannot be served.
    """
    registry, wanted = stored(folder), number_or_alias(reference)
    alias = wanted if isinstance(wanted, str) else ""
    loaded = load(registry, wanted, target=target)
    return Serving(loaded, registry=registry if alias else None, alias=alias, target=target)


@contextmanager
def following(serving: Serving, *, every: float) -> Iterator[threading.Thread | None]:
    """Poll the alias in a thread during a block; no thread for a version that is fixed."""
    if not serving.alias:
        yield None
        return
    stop = threading.Event()

    def follow() -> None:
        while not stop.wait(every):
            serving.poll(every=every)

    thread = threading.Thread(target=follow, name="alias", daemon=True)
    serving.thread = thread
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
