"""Standard streams of this process: closed ones opened, one whose reader is gone let go, prints cleaned for a log."""

import io
import os
import sys
from contextlib import suppress
from typing import Any, Final

from automl.study.text import log_text

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


def print_all_letters() -> None:
    r"""Print letters that the encoding of standard output lacks as `\u6570`: an error would end the process.

    Paths may have such letters where the locale is an old one, such as ISO-8859-1.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def release_output() -> None:
    """Let standard output, whose reader is gone (`| head`), lead nowhere: else each further line fails again."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class Log(io.FileIO):
    """A log file for text of vendors, made plain by `log_text`; lines are dropped while its disk is full."""

    _at_start = True

    def write(self, content: Any, /) -> int:  # noqa: ANN401
        """Write text in UTF-8; return its length, whatever was written in its place."""
        given = bytes(content).decode("utf-8", "backslashreplace")
        text = log_text(given.lstrip("\r") if self._at_start else given)
        if text:
            self._at_start = text.endswith("\n")
        with suppress(OSError):
            super().write(text.encode())
        return len(content)


def clean_prints() -> None:
    """Make what Python code of this process prints plain; what libraries in C print by themselves stays as it is."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        getattr(sys, name).flush()
        log = Log(number, "w", closefd=False)
        setattr(sys, name, io.TextIOWrapper(log, encoding="utf-8", errors="backslashreplace", write_through=True))
