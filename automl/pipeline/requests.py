"""Requests of a user to a study from another process: cancel a trial, enqueue params, extend a running study.

A request is checked here and again by the driver, which executes it. Without a driver it waits until the study is
resumed.
"""

from pathlib import Path
from typing import Final

from automl.pipeline import extension
from automl.pipeline.inputs import kept_name, named_from
from automl.storage.journal import Journal
from automl.storage.layout import SPEC
from automl.storage.place import Place, read_spec
from automl.study import Params
from automl.study.errors import StudyError
from automl.study.extension import Change, changes
from automl.study.model_files import renamed
from automl.study.point import completed
from automl.study.spec import StudySpec
from automl.study.text import shell_line, shown
from automl.tracking import status
from automl.trials import cancellation, commands, heartbeat, permitted
from automl.trials.commands import Command, Kind

ANSWER_SECONDS: Final = 20.0
"""How long a driver is waited for; it looks once a second, and less often while it confirms or exports."""


def cancel(folder: Path, number: int, *, metric: str) -> str:
    """Request the end of a trial, and return what was done.

    Raises:
        StudyError: there is no such trial, it has ended or is the baseline, or the driver refused.
    """
    cancellation.check(number, Journal.read(folder, metric=metric).trials())
    return _sent(folder, commands.send(folder, Kind.CANCEL, {"trial": number}))


def enqueue(folder: Path, spec: StudySpec, params: Params) -> str:
    """Request a trial of these params, missing ones with the default of the space; return what was done.

    Raises:
        SpecError: they are not in the space.
        StudyError: their model and image size break a constraint, or the driver refused.
    """
    full = completed(spec.search_space, params)
    if spec.constraints:
        measured = Journal.read(folder, metric=spec.metric)
        permitted.check_measured(full, measured, constraints=spec.constraints, costs=spec.costs)
    text = _sent(folder, commands.send(folder, Kind.ENQUEUE, {"params": full}))
    if _alive(folder):
        return text
    journal = Journal.read(folder, metric=spec.metric)
    begun = len(journal.trials())
    if not journal.notes().get("promotion") and begun < spec.budget.trials:
        return f"{shown(full)}: {text}"
    more = shell_line("--set", f"budget.trials={max(begun, spec.budget.trials) + 1}")
    return f"{shown(full)}: waits, since the search has ended; run `automl search` with a larger budget, such as {more}"


def extend(place: Place, wanted: StudySpec) -> str:
    """Pass the changes of a description to the driver that works on the study; return what was done, empty without any.

    Raises:
        StudyError: a key must not change, or the driver refused.
    """
    folder = place.study(wanted.name)
    if not (folder / SPEC).is_file():  # its first process checks the data still
        return ""
    kept = read_spec(folder)
    wanted = named_from(place.storage, renamed(wanted, kept_name))
    found = changes(kept, wanted)
    extension.refuse(folder, kept, wanted, found, running=True)
    if not found:
        return ""
    change = Change("", "", found)
    text = _sent(folder, commands.send(folder, Kind.EXTEND, {"keys": change.to_dict()["keys"]}))
    return f"the study runs in another process, which has the change: {text}" if _alive(folder) else text


def _sent(folder: Path, command: Command) -> str:
    """Wait for the answer to a command and return it."""
    if not _alive(folder):
        resumed = shell_line("automl", "resume", folder)
        return f"no driver is running: done when the study is resumed with {resumed}"
    answer = commands.answer_to(folder, command, seconds=ANSWER_SECONDS)
    if answer is None:
        return "the driver has not answered yet: done when its present stage has ended"
    if not answer.accepted:
        raise StudyError(answer.text)
    return answer.text


def _alive(folder: Path) -> bool:
    return status.alive(heartbeat.read(folder))
