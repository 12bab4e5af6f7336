"""Processes of an embedded Ray, which this process started: which of them ended, and how."""

import signal
from collections.abc import Iterator
from typing import Any, Final

from ray._private import ray_constants
from ray._private import worker as ray_worker

from automl.storage import local_disk

NEEDED: Final = (ray_constants.PROCESS_TYPE_RAYLET, ray_constants.PROCESS_TYPE_GCS_SERVER)
"""Without one of these the cluster is lost; Ray does not start them again."""


def died() -> str:
    """Return which needed process of the embedded Ray ended and how, empty if none did."""
    for name, code in _ended(ray_worker._global_node):
        if name in NEEDED:
            return local_disk.with_cause(f"Ray's process {name} ended {_how(code)}")
    return ""


def _ended(node: Any) -> Iterator[tuple[str, int]]:  # noqa: ANN401
    if node is not None:
        for name, process in node.dead_processes():
            yield str(name), int(process.returncode)


def _how(code: int) -> str:
    """Return an exit code in words.

    >>> _how(-7), _how(1)
    ('by SIGBUS', 'with exit code 1')
    """
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
