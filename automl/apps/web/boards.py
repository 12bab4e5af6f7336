"""Boards beside the page: TensorBoard of a study on the loopback address, and the address of its Ray dashboard."""

import re
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from automl.apps import tensorboard
from automl.storage.layout import LOG
from automl.study.errors import StudyError

HOST: Final = "127.0.0.1"
DASHBOARD: Final = re.compile(r"Ray dashboard (\S+)")
START_SECONDS: Final = 180.0
"""Until TensorBoard answers, on a machine that is busy with trials."""


@dataclass(slots=True)
class Boards:
    """TensorBoard processes, one a study; they end with the server of the page."""

    _started: dict[Path, tuple[subprocess.Popen[bytes], str]] = field(default_factory=dict)

    def address(self, folder: Path) -> str:
        """Return the address of a study's TensorBoard, started if none runs, once it answers.

        Raises:
            StudyError: the study has no events yet, or the process cannot be started, or does not answer.
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
        _wait_for(process, port)
        self._started[folder] = process, f"http://{HOST}:{port}"
        return self._started[folder][1]


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a process listens on a port; the page of a browser that comes earlier is an error."""
    until = time.monotonic() + START_SECONDS
    while process.poll() is None:
        try:
            with socket.create_connection((HOST, port), timeout=1):
                return
        except OSError:
            if time.monotonic() > until:
                process.terminate()
                raise StudyError(
                    f"TensorBoard must answer within {START_SECONDS:.0f} s, but did not; try again"
                ) from None
            time.sleep(0.1)
    raise StudyError(f"TensorBoard must keep running, but ended with status {process.returncode}")


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
