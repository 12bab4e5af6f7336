"""Wait for the single-writer lock of a folder that others hold for seconds, with one message and a bounded time."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from automl.storage import files
from automl.study.errors import RegistryError
from automl.study.text import duration

LOG: Final = logging.getLogger(__name__)

LONGEST: Final = 600.0
"""Seconds. A writer copies files for seconds; one that compares its model with a new champion first, for minutes."""
PAUSE: Final = 0.1
"""Seconds between two attempts."""


@contextmanager
def held(
    folder: Path,
    *,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the lock of a folder during a block; wait for another writer.

    Raises:
        RegistryError: another process still has it after so many seconds.
        StudyError: the folder cannot be written or locked.
    """
    with ExitStack() as stack:
        since, logged = clock(), False
        while True:
            try:
                stack.enter_context(files.locked(folder))
                break
            except files.LockedError as error:
                if clock() - since >= seconds:
                    raise RegistryError(
                        f"{folder}: must be free to write within {duration(seconds)}, but {error.holder} is writing; "
                        "nothing is lost: wait for it, then once more (a study: automl resume)"
                    ) from None
                if not logged:
                    LOG.warning(f"{folder}: {error.holder} is writing; waits for it, {duration(seconds)} at most")
                logged = True
            sleep(PAUSE)
        yield
