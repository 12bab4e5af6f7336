"""Device meter: memory in use of the GPU of this process, and its peak during a block."""

import threading
from typing import Final, Protocol, Self

from automl.study.errors import TrialError

SECONDS: Final = 0.2
"""Interval of the readings."""


class DeviceMeter(Protocol):
    """The GPU that this process was given, with all that runs on it."""

    def name(self) -> str:
        """Return the name of the device."""
        ...

    def memory(self) -> float:
        """Return the share of its memory that all processes together use now: 0 to 1."""
        ...


class Peak:
    """Highest memory in use during a block, read by a thread."""

    def __init__(self, meter: DeviceMeter, seconds: float = SECONDS) -> None:
        """Read the meter once in so many seconds."""
        self._meter, self._seconds = meter, seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="device-meter", daemon=True)
        self.memory = 0.0
        """Share of the memory: 0 to 1."""
        self._failure: RuntimeError | None = None

    def __enter__(self) -> Self:
        """Start to read."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop to read; raise TrialError if the device could not be read, since a peak of 0 would fit everywhere."""
        self._over.set()
        self._thread.join()
        if self._failure:
            raise TrialError(f"the memory of the GPU could not be read: {self._failure}") from self._failure

    def _look(self) -> None:
        try:
            while True:
                self.memory = max(self.memory, self._meter.memory())
                if self._over.wait(self._seconds):
                    return
        except RuntimeError as error:  # that of torch
            self._failure = error
