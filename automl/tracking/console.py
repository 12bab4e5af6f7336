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
from rich.table import Table
from rich.text import Text

from automl.storage import files
from automl.study.text import View, printable

ROOT: Final = logging.getLogger("automl")
"""Parent of the loggers of all modules. Without a `Progress` attached, lines go where Python's logging sends them."""

REFRESH_SECONDS: Final = 0.5
PLAIN_SECONDS: Final = 30.0
PLAIN_WIDTH: Final = 140
PLAIN_HEIGHT: Final = 48


class Progress(logging.Handler):
    """Handler of the logger `automl` for one study: console and `study.log`; and its live table."""

    def __init__(
        self, log: Path, *, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Append log lines to the file `log`."""
        super().__init__()
        self._log = log
        self.console = console or Console(file=sys.stdout)
        if not self.console.is_terminal:
            self.console.width = PLAIN_WIDTH
        self._clock = clock
        self._live: Live | None = None
        self._shown = -PLAIN_SECONDS
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
        """Write a log line; what a full disk does not take is added to the log later."""
        text = printable(record.getMessage())
        now = datetime.now(UTC)
        self._unwritten += f"{now:%Y-%m-%dT%H:%M:%SZ} {text}\n"
        with suppress(OSError):
            files.append(self._log, self._unwritten.encode(), sync=False)
            self._unwritten = ""
        with suppress(OSError):  # standard output may be a file on a full disk as well
            self.console.print(f"{now:%H:%M:%S} {text}", markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show a live table at the bottom of the terminal; without a terminal, print it periodically."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, refresh_per_second=4, transient=True) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def show(self, view: Callable[[], View], *, now: bool = False) -> None:
        """Draw the table if due."""
        period = REFRESH_SECONDS if self._live else PLAIN_SECONDS
        if not now and self._clock() - self._shown < period:
            return
        if self._live:
            self._live.update(Group("", drawn(view(), height=self.console.height)))
        else:
            with suppress(OSError):
                self.console.print(drawn(view(), height=PLAIN_HEIGHT))
        self._shown = self._clock()


def drawn(view: View, *, height: int | None = None) -> Table:
    """Return the table; only the last rows if it is higher than the screen."""
    title = Text(view.title, no_wrap=True, overflow="ignore")  # a narrow table does not break it
    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False, box=None)
    for column in view.columns:
        table.add_column(Text(column), justify="left" if column in {"state", "why"} else "right", no_wrap=True)
    room = len(view.rows) if height is None else max(3, height - 8)
    for row in view.rows[-room:]:
        table.add_row(*map(Text, row))  # plain text: a name may contain rich markup
    return table
