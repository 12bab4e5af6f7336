"""Notifications of a study: a command or a webhook gets each event as JSON. A failure is logged and changes nothing."""

import json
import logging
import os
import queue
import shlex
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

from automl.study.errors import AutomlError, Interrupted
from automl.study.spec_parts import NotifySpec
from automl.study.text import one_line
from automl.tracking.no_redirect import NoRedirect

LOG: Final = logging.getLogger(__name__)
ROOT: Final = logging.getLogger("automl")
SECONDS: Final = 10.0
"""Limit of one attempt to send."""
STOP_SECONDS: Final = 5.0
"""The same while a study is stopped, which has little time."""
QUIET_SECONDS: Final = 600.0
"""Shortest time between two notifications of trouble; what comes between is counted."""
UNTOLD: Final = ("automl.tracking.diagnosis", "automl.tracking.notification")
"""Loggers whose warnings are no trouble of the study: findings on single trainings, and this module's own."""


@dataclass(frozen=True, slots=True)
class Event:
    """What is sent: `event` is done, stopped, failed, trouble or test; `text` is one or more lines."""

    study: str
    event: str
    text: str
    folder: str
    host: str
    at: str
    """UTC, ISO 8601."""


def event_of(study: str, event: str, text: str, folder: Path | str) -> Event:
    """Return an event of this moment."""
    return Event(study, event, text, str(folder), socket.gethostname(), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")


def send(wanted: NotifySpec, event: Event, *, seconds: float = SECONDS) -> dict[str, str]:
    """Send an event by each way of a description; return why each failed, empty if it was sent.

    Neither keys nor values contain a webhook's path or the arguments of a command, which may be secrets.
    """
    text, found = json.dumps(asdict(event), ensure_ascii=False), {}
    if wanted.webhook:
        found[f"webhook {shown(wanted.webhook)}"] = _posted(wanted.webhook, text, seconds)
    if wanted.command:
        found[f"command {shlex.split(wanted.command)[0]}"] = _run(wanted.command, text, seconds)
    return {way: one_line(problem) for way, problem in found.items()}


def shown(webhook: str) -> str:
    """Return a webhook's address for messages: without its path.

    >>> shown("https://chat.example.org/hooks/5f2a"), shown("$AUTOML_WEBHOOK")
    ('https://chat.example.org', '$AUTOML_WEBHOOK')
    """
    if webhook.startswith(("$", "file:")):
        return webhook
    parts = urlsplit(webhook)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def _posted(webhook: str, text: str, seconds: float) -> str:
    try:
        request = urllib.request.Request(
            _address(webhook, os.environ), data=_bytes(text), headers={"Content-Type": "application/json"}
        )
        with urllib.request.build_opener(NoRedirect()).open(request, timeout=seconds) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except urllib.error.URLError as error:
        return str(getattr(error.reason, "strerror", None) or type(error.reason).__name__)
    except OSError as error:
        return str(error.strerror or type(error).__name__)
    except (HTTPException, ValueError, KeyError) as error:  # their texts contain the address
        return "the variable is not set" if isinstance(error, KeyError) else "no valid address"
    return ""


def _address(webhook: str, environment: Mapping[str, str]) -> str:
    if webhook.startswith("$"):
        return environment[webhook[1:]].strip()
    if webhook.startswith("file:"):
        return Path(webhook.removeprefix("file:")).read_text(encoding="utf-8").strip()
    return webhook


def _bytes(text: str) -> bytes:
    """Return a text in UTF-8; a name of a file that is not UTF-8 does not keep it from being sent."""
    return text.encode(errors="replace")


def _run(command: str, text: str, seconds: float) -> str:
    try:
        done = subprocess.run(
            shlex.split(command), input=_bytes(text), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"no end within {seconds:g} s"
    except OSError as error:
        return str(error.strerror)
    return f"exit status {done.returncode}" if done.returncode else ""


class Notifier(logging.Handler):
    """Sends the events of one study: trouble while it runs from a thread, and how it ended when the block ends."""

    def __init__(self, wanted: NotifySpec, study: str, folder: Path) -> None:
        """Send nothing yet."""
        super().__init__(logging.WARNING)
        self._wanted, self._study, self._folder = wanted, study, folder
        self.lines: tuple[str, ...] = ()
        """Text of the notification of a study that ends by itself."""
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="notifications", daemon=True)
        self._last, self._unsent = -QUIET_SECONDS, 0

    def __enter__(self) -> "Notifier":
        """Begin to receive warnings of the package."""
        if "trouble" in self._wanted.events:
            ROOT.addHandler(self)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Send how the study ended."""
        ROOT.removeHandler(self)
        stopped = kind is not None and issubclass(kind, Interrupted | KeyboardInterrupt)
        self._queue.put(None)
        self._thread.join(STOP_SECONDS if stopped else SECONDS)
        if "end" not in self._wanted.events:
            return
        if kind is None:
            self._send("done", "\n".join(self.lines), seconds=SECONDS)
        elif stopped:
            self._send("stopped", "stopped; the same command resumes the study", seconds=STOP_SECONDS)
        else:
            text = str(error) if isinstance(error, AutomlError) else f"{kind.__name__}: {error}"
            self._send("failed", text, seconds=SECONDS)

    def ended_at_once(self, text: str, *, stopped: bool) -> None:
        """Send the end of a study whose process exits before the block ends; called from another thread."""
        if "end" in self._wanted.events:
            self._send("stopped" if stopped else "failed", text, seconds=STOP_SECONDS)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a warning of the package."""
        if not record.name.startswith(UNTOLD):
            self._queue.put(record.getMessage())

    def _work(self) -> None:
        while (text := self._queue.get()) is not None:
            if time.monotonic() - self._last < QUIET_SECONDS:
                self._unsent += 1
                continue
            more = f"\n({self._unsent} further warnings since the last notification)" if self._unsent else ""
            self._last, self._unsent = time.monotonic(), 0
            self._send("trouble", text + more, seconds=SECONDS)

    def _send(self, event: str, text: str, *, seconds: float) -> None:
        for way, problem in send(
            self._wanted, event_of(self._study, event, text, self._folder), seconds=seconds
        ).items():
            if problem:
                LOG.warning(f"notification by {way} failed: {problem}; the study is not affected")
            else:
                LOG.info(f"notification by {way}: {event}")
