"""Extension of a study that has begun: more trials, hours or other resources; the verdict is then decided again."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from automl.storage.journal import Journal
from automl.storage.move_log import user
from automl.study.errors import AutomlError, StudyError
from automl.study.extension import Change, applied, changes, history, latest, may_change, outdated, refusals
from automl.study.spec import BudgetSpec, StudySpec
from automl.study.text import shell_line
from automl.trials import commands, steering
from automl.trials.lease import utc_now

LOG: Final = logging.getLogger(__name__)
ROUNDS: Final = "rounds"
"""Journal key of the rounds of the confirmation so far."""
EARLIER_ROUNDS: Final = "rounds of earlier verdicts"
"""Journal key of the rounds before the last extension; their models may still ship."""
VERDICT: Final = ("verdict", "promotion")
"""Journal keys of the verdict, before and after it is published."""


def extended(folder: Path, journal: Journal, kept: StudySpec, wanted: StudySpec) -> StudySpec:
    """Return the description with which a study continues: `kept`, with the changes of `wanted` that are allowed.

    A change is recorded in the journal and in the study's own description.

    Raises:
        StudyError: a key differs that must stay as the study began.
    """
    with journal.interpreted():
        past = history(journal.notes())
        kept = applied(kept, latest(past))  # a driver may have been killed before it wrote the description
        stale = outdated(past, wanted)
    found = changes(kept, wanted)
    for key in [key for key in found if key in stale]:
        LOG.info(f"{key} stays {stale[key]}, as it was changed; the description has the value of the beginning")
        del found[key]
    refuse(folder, kept, wanted, found)
    if not found:
        return kept
    change = Change(utc_now(), user(), found)
    spec = applied(kept, latest([change]))
    reopen(journal, kept.budget, spec.budget)
    steering.record(folder, journal, kept, change)
    LOG.info(f"study is changed: {change.text}")
    return spec


def refuse(
    folder: Path, kept: StudySpec, wanted: StudySpec, found: Mapping[str, Any], *, running: bool = False
) -> None:
    """Check that only keys differ that may change, now that the study has begun or while it is `running`.

    Raises:
        StudyError: others differ; the message has the reason and the remedy.
    """
    wrong = [key for key in found if not may_change(key)]
    if wrong:
        raise StudyError(
            f"{folder}: must belong to the same description, but differs in",
            *(f"  {line}" for line in refusals(kept, wanted, wrong)),
            "choose another --name, with the trials so far as a start by "
            f"{shell_line('--set', f'warm_start=[{folder}]')}, or resume the existing study: "
            f"{shell_line('automl', 'resume', folder)}",
        )
    later = [key for key in found if running and not may_change(key, running=True)]
    if later:
        raise StudyError(
            f"{folder}: {', '.join(later)}: must not change while the study runs, since its jobs have the old value; "
            "stop it, then run the command again"
        )


def grew(before: BudgetSpec, after: BudgetSpec, *, begun: int) -> bool:
    """Return True if a changed budget allows further trials after `begun` ones.

    >>> four, six = BudgetSpec(trials=4), BudgetSpec(trials=6)
    >>> grew(four, six, begun=4), grew(six, four, begun=4)
    (True, False)
    """
    if after.trials <= begun:
        return False
    pairs = ((before.hours, after.hours), (before.gpu_hours, after.gpu_hours), (before.total_hours, after.total_hours))
    more = any(old is not None and (new is None or new > old) for old, new in pairs)
    return after.trials > before.trials or more


def reopen(journal: Journal, before: BudgetSpec, after: BudgetSpec) -> None:
    """Withdraw verdict and confirmation where a changed budget allows further trials; the registry is unchanged.

    The re-trainings that were done count again where the same params are confirmed.
    """
    if not grew(before, after, begun=len(journal.trials())):
        return
    notes = journal.notes()
    if notes.get(ROUNDS):
        journal.note(EARLIER_ROUNDS, [*notes.get(EARLIER_ROUNDS, ()), *notes[ROUNDS]])
        journal.note(ROUNDS, [])
    for key in VERDICT:
        if notes.get(key):
            journal.note(key, None)


def late(folder: Path, journal: Journal, spec: StudySpec) -> StudySpec | None:
    """Return the description after the changes that were requested when the search was over already; None without any.

    They are executed once the verdict is published.
    """
    changed = None
    for command in commands.take(folder):
        if command.kind is not commands.Kind.EXTEND:
            continue
        now = changed or spec
        try:
            wanted = applied(now, {key: after for key, (_, after) in command.content["keys"].items()})
            changed = extended(folder, journal, now, wanted)
            answer = commands.Reply(accepted=True, text="the study continues")
        except (AutomlError, AttributeError, LookupError, TypeError, ValueError) as error:
            answer = commands.Reply(accepted=False, text=str(error))
        LOG.info(f"command {command.kind} of {command.by}: {answer.text}")
        commands.reply(folder, command, answer)
    return changed
