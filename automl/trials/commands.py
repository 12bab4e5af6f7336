"""Commands to the driver of a study from other processes: sealed files in `commands/`, answered by files beside them.

A command is written atomically and stays until a driver has recorded its effect in the journal, so one that is sent to
a study that does not run is executed when the study is resumed. A driver that is killed between the two executes it
again; the effects are idempotent or harmless (`Steering`).
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from automl.storage import records
from automl.storage.layout import COMMANDS
from automl.storage.move_log import user
from automl.storage.records import RecordError
from automl.trials.lease import utc_now

LOG: Final = logging.getLogger(__name__)
SUFFIX: Final = ".json"
ANSWER: Final = ".answer"
POLL_SECONDS: Final = 0.1


class Kind(StrEnum):
    """What a command requests."""

    CANCEL = "cancel"
    ENQUEUE = "enqueue"
    EXTEND = "extend"


@dataclass(frozen=True, slots=True)
class Command:
    """One command."""

    name: str
    """Name of its file without suffix: time and a random part, so that names sort by time."""
    kind: Kind
    by: str
    """User and host that sent it."""
    at: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer of a driver."""

    accepted: bool
    text: str


def send(study: Path, kind: Kind, content: Mapping[str, Any]) -> Command:
    """Write a command for the driver of the study in a folder."""
    at = utc_now()
    letters = "".join(letter for letter in at if letter.isalnum())
    command = Command(f"{letters}-{uuid.uuid4().hex[:8]}", kind, user(), at, content)
    (study / COMMANDS).mkdir(exist_ok=True)
    plain = {"kind": str(kind), "by": command.by, "at": at, "content": dict(content)}
    records.write_json(study / COMMANDS / f"{command.name}{SUFFIX}", plain)
    return command


def waiting(study: Path) -> list[Command]:
    """Return the commands that no driver has answered, oldest first; a damaged one is left out."""
    return [command for path in _paths(study) if (command := _read(path)) is not None]


def take(study: Path) -> list[Command]:
    """Return the commands, oldest first, for the driver; one that is damaged or may not be read is set aside."""
    found = []
    for path in _paths(study):
        if command := _read(path):
            found.append(command)
        elif path.exists():
            LOG.warning(f"command {path.name} cannot be read and is set aside as {records.set_aside(path).name}")
    return found


def reply(study: Path, command: Command, answer: Reply) -> None:
    """Answer a command and delete it."""
    folder = study / COMMANDS
    records.write_json(folder / f"{command.name}{ANSWER}", {"accepted": answer.accepted, "text": answer.text})
    (folder / f"{command.name}{SUFFIX}").unlink(missing_ok=True)


def delete_answers(study: Path) -> None:
    """Delete answers that were not read; called at the start of a session."""
    for path in (study / COMMANDS).glob(f"*{ANSWER}"):
        path.unlink(missing_ok=True)


def answer_to(
    study: Path, command: Command, *, seconds: float, sleep: Callable[[float], None] = time.sleep
) -> Reply | None:
    """Return the answer to a command; None if there is none within some seconds."""
    path = study / COMMANDS / f"{command.name}{ANSWER}"
    for _ in range(max(1, round(seconds / POLL_SECONDS))):
        with suppress(FileNotFoundError, RecordError):
            plain = records.read_json(path, kind="an answer of a driver", remedy="send the command again")
            path.unlink(missing_ok=True)
            return Reply(bool(plain.get("accepted")), str(plain.get("text", "")))
        sleep(POLL_SECONDS)
    return None


def _paths(study: Path) -> list[Path]:
    return sorted((study / COMMANDS).glob(f"*{SUFFIX}"))


def _read(path: Path) -> Command | None:
    try:
        with records.reading(path, kind="a command", remedy="send it again"):
            plain = records.read_json(path, kind="a command", remedy="send it again")
            content = plain["content"]
            if not isinstance(content, dict):
                raise TypeError("has no content")
            return Command(path.stem, Kind(plain["kind"]), str(plain["by"]), str(plain["at"]), content)
    except (RecordError, FileNotFoundError, PermissionError):
        return None
