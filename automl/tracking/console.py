"""Console output and log of a running study: log lines, also in `study.log`, and a live table on a terminal."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console, Group
from rich.live import Live

from automl.storage import files, streams
from automl.study.text import View, one_line
from automl.tracking.table import best_and_running, drawn, plain_lines

LOG: Final = logging.getLogger(__name__)
ROOT: Final = logging.getLogger("automl")
"""Parent of the loggers of all modules. Without a `Progress` attached, lines go where Python's logging sends them."""

REFRESH_SECONDS: Final = 0.5
DRAWING_SHARE: Final = 20
"""The table is made at most one of so many seconds: with thousands of trials it takes longer than its period."""
PLAIN_SECONDS: Final = 30.0
"""Between two checks of the table if the output is not a terminal."""
EPOCHS_SECONDS: Final = 600.0
"""Between two printed tables there if only epochs have changed."""
PLAIN_WIDTH: Final = 140


class Output(Console):
    """Console on standard output. If its reader goes away (`automl search | head`), lines go to the log alone."""

    def on_broken_pipe(self) -> None:
        """Print nothing any more; rich itself would end the process."""
        self.quiet = True
        streams.release_output()
        LOG.info("standard output: its reader is gone; lines go to study.log alone")


class Progress(logging.Handler):
    """Handler of the logger `automl` for one study: console and `study.log`; and its live table."""

    def __init__(
        self, log: Path, *, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Append log lines to the file `log`."""
        super().__init__()
        self._log = log
        self.console = console or Output(file=sys.stdout)
        if not self.console.is_terminal:
            self.console.width = PLAIN_WIDTH
        self._clock = clock
        self._live: Live | None = None
        self._shown = -PLAIN_SECONDS
        self._cost = 0.0
        self._printed = -EPOCHS_SECONDS
        self._last: View | None = None
        self._unwritten = ""

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Receive all log lines of the package during a block; one study per process at a time."""
        level, propagate = ROOT.level, ROOT.propagate
        ROOT.addHandler(self)
        ROOT.setLevel(logging.INFO)
        ROOT.propagate = False  # libraries add handlers to the root logger, which would print each line twice
        try:
            yield
        finally:
            ROOT.removeHandler(self)
            ROOT.setLevel(level)
            ROOT.propagate = propagate

    def emit(self, record: logging.LogRecord) -> None:
        """Write a log line; lines that a full disk rejects are added to the log later."""
        text = one_line(record.getMessage())
        now = datetime.now(UTC)
        self._unwritten += f"{now:%Y-%m-%dT%H:%M:%SZ} {text}\n"
        with suppress(OSError):
            files.append(self._log, self._unwritten.encode(), sync=False)
            self._unwritten = ""
        with suppress(OSError):  # standard output may be a file on a full disk as well
            self.console.print(f"{now:%H:%M:%S} {text}", markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def live(self) -> Iterator[None]:
        """Keep a table at the bottom of the terminal; on other outputs `show` prints it when something changed."""
        if not self.console.is_terminal:
            yield
            return
        self._live = Live(console=self.console, refresh_per_second=4, transient=True)
        try:
            with suppress(OSError):  # the terminal may go away while the study runs
                self._live.start()
            yield
        finally:
            with suppress(OSError):
                self._live.stop()
            self._live = None

    def show(self, view: Callable[[], View], *, now: bool = False) -> None:
        """Draw the table if its period has passed; `now` prints all rows if the output is not a terminal."""
        period = max(REFRESH_SECONDS if self._live else PLAIN_SECONDS, DRAWING_SHARE * self._cost)
        began = self._clock()
        if not now and began - self._shown < period:
            return
        current = view()
        self._cost = self._clock() - began
        if self._live:
            size = self.console.size
            table = drawn(current, width=size.width, height=size.height, encoding=self.console.encoding)
            self._live.update(Group("", table))
        elif now or self._is_news(current):
            self._print(current if now else best_and_running(current))
            self._last, self._printed = current, self._clock()
        self._shown = self._clock()

    def _is_news(self, current: View) -> bool:
        """Return True if a trial changed its state or another one is best; after a while, if an epoch ended."""
        if self._last is None or _states(current) != _states(self._last):
            return True
        waited = self._clock() - self._printed >= EPOCHS_SECONDS
        return waited and current.rows != self._last.rows

    def _print(self, view: View) -> None:
        with suppress(OSError):
            if self.console.is_terminal:
                self.console.print(drawn(view, width=self.console.width, encoding=self.console.encoding))
            else:
                lines = plain_lines(view, width=PLAIN_WIDTH, encoding=self.console.encoding)
                self.console.print(lines, markup=False, highlight=False, soft_wrap=True)


def _states(view: View) -> tuple[object, ...]:
    """Return each row's name and state, and which row is best."""
    return (view.best, *(tuple(row[:2]) for row in view.rows))


def announce(text: str) -> None:
    """Print a log line before there is a log, as `Progress` does."""
    try:
        print(f"{datetime.now(UTC):%H:%M:%S} {one_line(text)}", flush=True)  # noqa: T201
    except BrokenPipeError:
        streams.release_output()
