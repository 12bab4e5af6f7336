"""Runs one attack in a child process with limits of time and memory, and says whether it was held."""

import multiprocessing
import resource
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

from automl.study.errors import AutomlError

SECONDS: Final = 120.0
"""Time limit of one attack; an input of this size is answered in a second."""
MEMORY: Final = 6 << 30
"""Limit of the address space of a child, in bytes."""
MOST_TEXT: Final = 20_000
"""Maximum length of all that one input makes the program say, in characters."""


def failure(attack: Callable[[], str]) -> str:
    """Return why an attack was not held, empty if it was.

    `attack` returns what is wrong with the result, empty if it is right. It may raise; an AutomlError that it does not
    expect is for itself to catch.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_attacked, args=(attack, theirs))
    child.start()
    theirs.close()
    try:
        found = str(ours.recv()) if ours.poll(SECONDS) else f"hangs: no answer in {SECONDS:g} s"
    except EOFError:
        found = "the process ended without an answer"
    child.kill()
    child.join()
    return found


def _attacked(attack: Callable[[], str], answer: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        found = attack()
    except AutomlError as error:
        found = f"refused: {error}"
    except BaseException:  # noqa: BLE001  (what an attack finds)
        found = traceback.format_exc()
    answer.send(found[:MOST_TEXT])
