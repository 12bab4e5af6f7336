"""Steering: executes the commands to a running study, and records changes of its description."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from automl.storage import files
from automl.storage.journal import Journal
from automl.storage.layout import SPEC
from automl.storage.outage import retry_on_outage
from automl.study import Ending, Trial
from automl.study.errors import AutomlError, StudyError
from automl.study.extension import NOTE, Change, applied, history, latest, may_change
from automl.study.load import dump
from automl.study.plain_values import LONGEST
from automl.study.point import completed
from automl.study.spec import StudySpec
from automl.study.text import shown
from automl.trials import cancellation, commands, permitted
from automl.trials.commands import Command, Kind, Reply
from automl.trials.enqueued import Queue
from automl.trials.jobs import RunContext

LOG: Final = logging.getLogger(__name__)
LOOK_SECONDS: Final = 1.0
"""Interval in which the folder of commands is listed."""


class Steered(Protocol):
    """What commands act on: the manager of the trials."""

    @property
    def trials(self) -> list[Trial]:
        """Return all trials by number."""
        ...

    @property
    def context(self) -> RunContext:
        """Return the run settings, with the present description."""
        ...

    def cancel(self, number: int, ending: Ending) -> None:
        """End a trial."""
        ...

    def use(self, context: RunContext) -> None:
        """Use changed settings."""
        ...


class Steering:
    """Reads the commands of a study once a second and executes them."""

    def __init__(self, study: Path, journal: Journal, clock: Callable[[], float] = time.monotonic) -> None:
        """Use the folder of a study."""
        self._study, self._journal, self._clock = study, journal, clock
        self._looked: float | None = None
        self.queue = Queue(journal)

    def restore(self, trials: Sequence[Trial]) -> None:
        """Restore the queue from the journal."""
        self.queue.restore(trials)

    def execute(self, target: Steered, *, now: bool = False) -> None:
        """Execute the commands that wait, if due, oldest first; each is answered."""
        if not now and self._looked is not None and self._clock() - self._looked < LOOK_SECONDS:
            return
        self._looked = self._clock()
        for command in retry_on_outage(self._study, partial(commands.take, self._study)):
            answer = self._answer(target, command)
            LOG.info(f"command {command.kind} of {command.by}: {answer.text}")
            commands.reply(self._study, command, answer)

    def _answer(self, target: Steered, command: Command) -> Reply:
        """Execute a command and return the answer; a refused one changes nothing."""
        try:
            return Reply(accepted=True, text=self._executed(target, command))
        except AutomlError as error:
            return Reply(accepted=False, text=str(error)[:LONGEST])
        except (AttributeError, LookupError, TypeError, ValueError):
            return Reply(accepted=False, text="must be a command of this version; send it again")

    def _executed(self, target: Steered, command: Command) -> str:
        content, spec = command.content, target.context.spec
        if command.kind is Kind.CANCEL:
            number = int(content["trial"])
            cancellation.check(number, target.trials)
            target.cancel(number, cancellation.ending(command.by))
            return f"trial {number} is canceled"
        if command.kind is Kind.ENQUEUE:
            params = completed(spec.search_space, content["params"])
            permitted.check(params, target.context.allowed, spec.constraints)
            self.queue.add(params, by=command.by)
            full = len(target.trials) >= spec.budget.trials
            return f"{shown(params)} is tried {'when budget.trials is raised: all have begun' if full else 'next'}"
        change = Change.from_dict({"at": command.at, "by": command.by, "keys": content["keys"]})
        target.use(replace(target.context, spec=record(self._study, self._journal, spec, change)))
        return change.text


def record(folder: Path, journal: Journal, spec: StudySpec, change: Change) -> StudySpec:
    """Record a change of a description, in the journal first, and return the new one; a repeated one changes nothing.

    Raises:
        StudyError: fewer trials are allowed than have begun, or a key must not change.
    """
    if refused := [key for key in change.keys if not may_change(key)]:
        raise StudyError(f"{folder}: {', '.join(refused)}: must stay as the study began; start a new study")
    changed = applied(spec, latest([change]))
    if changed == spec:
        return spec
    begun = len(journal.trials())
    if changed.budget.trials < begun:
        raise StudyError(
            f"{folder}: budget.trials: must be at least {begun}, since so many trials have begun, but got "
            f"{changed.budget.trials}; --set budget.trials={begun}"
        )
    past = [one.to_dict() for one in history(journal.notes())]
    journal.note(NOTE, [*past, change.to_dict()])
    files.write_text(folder / SPEC, dump(changed))
    return changed
