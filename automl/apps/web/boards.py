"""Boards beside the page: TensorBoard of a study on the loopback address, and the address of its Ray dashboard."""

import re
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from automl.apps import tensorboard
from automl.storage.layout import LOG
from automl.study.errors import StudyError

HOST: Final = "127.0.0.1"
DASHBOARD: Final = re.compile(r"Ray dashboard (\S+)")


@dataclass(slots=True)
class Boards:
    """TensorBoard processes, one a study; they end with the server of the page."""

    _started: dict[Path, tuple[subprocess.Popen[bytes], str]] = field(default_factory=dict)

    def address(self, folder: Path) -> str:
        """Return the address of a study's TensorBoard, started if none runs.

        Raises:
            StudyError: the study has no events yet, or the process cannot be started.
        """
        known = self._started.get(folder)
        if known and known[0].poll() is None:
            return known[1]
        if not any(folder.rglob("events.out.tfevents.*")):
            raise StudyError(f"{folder}: must be a study whose first trial has started, but has no TensorBoard events")
        with socket.socket() as free:
            free.bind((HOST, 0))
            port = free.getsockname()[1]
        try:
            process = subprocess.Popen(
                tensorboard.command(folder, host=HOST, port=port), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except OSError as error:
            raise StudyError(f"TensorBoard must start, but {error.strerror}") from None
        self._started[folder] = process, f"http://{HOST}:{port}"
        return self._started[folder][1]


def ray_dashboard(folder: Path) -> str:
    """Return the address in the last log line on the Ray dashboard; empty if there is none."""
    try:
        found = DASHBOARD.findall((folder / LOG).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    address = found[-1] if found else ""
    if address in ("", "none"):
        return ""
    return address if address.startswith("http") else f"http://{address}"
