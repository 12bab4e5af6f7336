"""Standard streams of this process: closed ones are opened, and one whose reader is gone is let go."""

import os
import sys
from contextlib import suppress
from typing import Final

STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def open_closed() -> None:
    """Open the null device for each standard stream that is closed (`2>&-`).

    Else the next file that is opened gets its number: a lock, say, that all prints then go to.
    """
    for number, (name, mode) in enumerate(STREAMS):
        try:
            os.fstat(number)
        except OSError:
            made = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            os.set_inheritable(made, True)  # noqa: FBT003  (it takes no keywords)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def release_output() -> None:
    """Let standard output, whose reader is gone (`| head`), lead nowhere: else each further line fails again."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
