"""Start of Ray's node on a busy machine: Ray gives it 30 seconds to register, which is too short there."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from ray._private import services

from automl.cluster import reaper

LONGEST: Final = 300.0
"""Seconds. With twenty busy processes on two cores Ray's 30 were too short; a node that hangs is to be told as well."""
PAUSE: Final = 1.0
RAYLET: Final = b"/raylet"


@contextmanager
def allowed(longest: float = LONGEST) -> Iterator[None]:
    """Let nodes that this process starts during a block take `longest` seconds, as long as their raylet runs.

    Ray 2.60 has no setting for its 30 seconds; it counts them around this function, which here returns later.
    """
    ask = services.get_node

    def patient(gcs_address: str, node_id: str) -> dict[str, Any]:
        end = time.monotonic() + longest
        while True:
            try:
                found: dict[str, Any] = ask(gcs_address, node_id)
            except RuntimeError:
                if time.monotonic() >= end or not raylets():
                    raise
            else:
                return found
            time.sleep(PAUSE)

    services.get_node = patient
    try:
        yield
    finally:
        services.get_node = ask


def raylets() -> list[int]:
    """Return the process ids of the raylets that this process started and that run."""
    own = os.getpid()
    found = [pid for (pid, _), (parent, _) in reaper.processes().items() if parent == own]
    return [pid for pid in found if reaper.read(f"/proc/{pid}/cmdline").split(b"\0")[0].endswith(RAYLET)]
