"""Studies as processes of their own: `automl search` and `automl resume`, detached, with their output in a file.

They run on this machine, or on a cluster by its job API. The end of the page, or of its server, ends no study. A study
is stopped as Ctrl-C does, which loses nothing.
"""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from automl.cluster import reaper
from automl.storage import files
from automl.study.errors import StudyError
from automl.study.text import log_text
from automl.trials import heartbeat
from automl.trials.heartbeat import Beat

FOLDER: Final = "web"
"""Folder in the storage: descriptions and output of studies that the page started."""
TAIL: Final = 8000
"""Bytes of the output that are shown."""
STOPPED: Final = 128 + signal.SIGINT
"""Exit code of a study that was stopped."""
RUNNER: Final = "from automl.apps.cli import app; app(prog_name='automl')"
SUBMITTER: Final = "from automl.apps.web.head_job import run; run()"
UPLOAD: Final = "upload"
"""Folder below `FOLDER` that is sent with a job where no checkout runs: the nodes have automl installed."""
STOP_SECONDS: Final = 300.0
"""For the orderly stop of a job."""
CLOCK_SECONDS: Final = 5.0
"""The time of the boot is whole seconds, and the clock may be set meanwhile."""


@dataclass(slots=True)
class Jobs:
    """Processes of studies."""

    storage: Path
    head: str = ""
    """Address of the job API of the cluster that runs the studies; empty: this machine runs them."""
    _started: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Return the folder of descriptions and outputs."""
        return self.storage / FOLDER

    def log(self, name: str) -> Path:
        """Return the file with the output of a study's process."""
        return self.folder / f"{name}.log"

    def description(self, name: str) -> Path:
        """Return the file of the description from which a study is started."""
        return self.folder / f"{name}.yaml"

    def start(self, name: str, text: str, *, overrides: Mapping[str, str]) -> None:
        """Write a description, and start its study.

        Raises:
            StudyError: the study exists, or its process cannot be started.
        """
        if (self.storage / "runs" / name).exists() or self.is_starting(name):
            raise StudyError(f"{name}: must be the name of a new study, but one exists; choose another name")
        self.folder.mkdir(parents=True, exist_ok=True)
        files.write_text(self.description(name), text)
        changes = [part for key, value in overrides.items() for part in ("--set", f"{key}={value}")]
        self._run(name, ["search", str(self.description(name)), "--name", name, *changes])

    def resume(self, name: str) -> None:
        """Start the process of an interrupted study again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._run(name, ["resume", str(self.storage / "runs" / name)])

    def stop(self, name: str) -> None:
        """Interrupt the process of a study: it saves its state, and can be resumed.

        Raises:
            StudyError: no process of it is alive on this machine, or the cluster runs no job of it.
        """
        if self.head:
            self._stop_job(name)
            return
        beat = heartbeat.read(self.storage / "runs" / name)
        started = self._started.get(name)
        process = started.pid if started and started.poll() is None else None
        if process is None and beat and beat.node == socket.gethostname() and _is_that_of(beat):
            process = beat.process
        if process is None:
            where = f"; its last one ran on {beat.node}" if beat else ""
            raise StudyError(f"{name}: must have a process on this machine, but has none{where}")
        os.kill(process, signal.SIGINT)

    def audit(self, name: str, *, language: str) -> None:
        """Start the label audit of a study, on this machine.

        Raises:
            StudyError: one runs, or its process cannot be started.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        arguments = ["audit", str(self.storage / "runs" / name), "--lang", language]
        self._run(audit_of(name), arguments, here=True)

    def is_starting(self, name: str) -> bool:
        """Return True if a process that was started here is alive."""
        started = self._started.get(name)
        return started is not None and started.poll() is None

    def failed(self, name: str) -> bool:
        """Return True if a process that was started here ended with an error."""
        started = self._started.get(name)
        return started is not None and started.poll() not in (None, 0, STOPPED)

    def tail(self, name: str) -> str:
        """Return the end of a process's output; empty if there is none."""
        try:
            with self.log(name).open("rb") as file:
                file.seek(max(self.log(name).stat().st_size - TAIL, 0))
                return log_text(file.read().decode("utf-8", "replace")).strip()
        except OSError:
            return ""

    def _run(self, name: str, arguments: Sequence[str], *, here: bool = False) -> None:
        if self.is_starting(name):
            raise StudyError(f"{name}: must not be running, but its process was started a moment ago")
        afar = bool(self.head) and not here
        program = [SUBMITTER, self.head, name] if afar else [RUNNER]
        command = [sys.executable, "-P", "-c", *program, *arguments, "--storage", str(self.storage)]
        folder = self._upload() if afar else None
        try:
            with self.log(name).open("wb") as output:
                self._started[name] = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=folder,
                    start_new_session=True, env=_environment(),
                )  # fmt: skip
        except OSError as error:
            raise StudyError(f"{name}: its process must start, but {error.strerror}") from None

    def _upload(self) -> Path:
        """Return the folder in which a job is submitted: Ray sends it, and accepts no empty one."""
        folder = self.folder / UPLOAD
        folder.mkdir(exist_ok=True)
        files.write_text(folder / "note.txt", "Sent with the jobs of automl web.\n")
        return folder

    def _stop_job(self, name: str) -> None:
        """Stop the job of a study on the cluster, and wait for its end."""
        words = ["stop", name, "--storage", str(self.storage), "--address", self.head]
        command = [sys.executable, "-P", "-c", RUNNER, *words]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=_environment(),
                timeout=STOP_SECONDS, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StudyError(f"{name}: its job must stop, but {error}") from None
        if done.returncode:
            raise StudyError(log_text(done.stderr).strip() or f"{name}: its job must stop, but the command failed")


def audit_of(name: str) -> str:
    """Return the name of the process of a study's label audit; no study has it, since names have no space."""
    return f"{name} audit"


def _environment() -> dict[str, str]:
    """Return the environment of a study's process: this import path, and not the page's password."""
    found = [place for place in (os.environ.get("PYTHONPATH"), str(Path(__file__).parents[3])) if place]
    own = {key: value for key, value in os.environ.items() if not key.startswith("AUTOML_WEB_")}
    return {**own, "PYTHONPATH": os.pathsep.join(found), "NO_COLOR": "1"}


def _is_that_of(beat: Beat) -> bool:
    """Return True if the process of a heartbeat is alive: one of automl, and not begun later; numbers are used again.

    After the restart of a container its first processes have the same numbers as before.
    """
    start, boot = reaper.start_of(beat.process), re.search(rb"^btime (\d+)", reaper.read("/proc/stat"), re.MULTILINE)
    line = reaper.read(f"/proc/{beat.process}/cmdline")
    if not start or boot is None:
        return False
    began = int(boot[1]) + start / os.sysconf("SC_CLK_TCK")
    known = datetime.fromisoformat(beat.at).timestamp() + CLOCK_SECONDS
    return b"automl" in line and b"python" in line.lower() and began <= known
