"""Layout of a study's table: the rows and columns that fit a terminal, and its text in a log."""

import io
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from rich.cells import cell_len
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from automl.study import State
from automl.study.text import View, one_line
from automl.tracking.sparkline import encodable

GAP: Final = 2
"""Spaces between columns."""
LEFT: Final = frozenset({"curve", "state", "why", "study", "data", "model", "verdict"})
"""Columns of text, aligned left; numbers are aligned right."""
FEWEST_ROWS: Final = 3
AROUND: Final = 8
"""Lines of a screen that are left to titles and log lines."""
BEST: Final = "*"
NO_BREAK: Final = "\N{NO-BREAK SPACE}"
SUBMITTED: Final = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Set by Ray in the process of a submitted job."""


def drawn(view: View, *, width: int | None = None, height: int | None = None, encoding: str = "utf-8") -> Group:
    """Return the table under its title, of as many columns and rows as fit; the best row is marked.

    Sparklines are ASCII where the `encoding` of the output has no blocks.
    """
    shown = fitted(_rows_in(_in_lines(view, encoding), height), width)
    table = Table(pad_edge=False, box=None)
    for column in shown.columns:
        table.add_column(Text(column), justify="left" if column in LEFT else "right", no_wrap=True)
    for index, row in enumerate(shown.rows):
        table.add_row(*map(Text, row), style="bold" if index == shown.best else None)  # plain text, never markup
    return Group(
        Text(shown.title, style="bold", no_wrap=width is None, overflow="ignore" if width is None else None), table
    )


def _in_lines(view: View, encoding: str) -> View:
    """Return a view whose texts take one line each, in an encoding."""
    rows = [[encodable(one_line(cell), encoding) for cell in row] for row in view.rows]
    return replace(view, title=one_line(view.title), columns=[*map(one_line, view.columns)], rows=rows)


def fitted(view: View, width: int | None) -> View:
    """Return a view without the columns that a width has no room for, whole ones, in the order of `view.optional`.

    A last column `8 more` says how many are missing. The number of the best row carries a star.

    >>> view = View("", ["trial", "lr0", "momentum"], [["0", "0.01", "0.9"]], optional=["momentum", "lr0"], best=0)
    >>> fitted(view, 80).rows, fitted(view, 20).columns
    ([['0*', '0.01', '0.9']], ['trial', 'lr0', '1 more'])
    """
    rows = [[f"{row[0]}{_mark(view, index)}", *row[1:]] for index, row in enumerate(view.rows)]
    marked = replace(view, rows=rows)
    if width is None:
        return marked
    columns, more = list(view.columns), view.more
    for name in view.optional:
        if _width(marked, columns, more) <= width:
            break
        columns.remove(name)
        more += 1
    kept = [view.columns.index(name) for name in columns]
    extra = [f"{more} more"] if more else []
    return replace(
        marked, columns=[*columns, *extra], rows=[[*(row[i] for i in kept), *("" for _ in extra)] for row in rows]
    )


def best_and_running(view: View) -> View:
    """Return a view of the best row and of those that run: what a log needs."""
    return _only(view, _wanted(view))


def plain_lines(view: View, *, width: int, encoding: str = "utf-8") -> str:
    """Return a table as text for a log.

    Ray's page of a job shows runs of spaces as one and drops those at the start of a line, so in a submitted job the
    spaces between columns are no-break spaces.
    """
    console = Console(file=io.StringIO(), width=max(width, cell_len(view.title)), color_system=None)
    with console.capture() as taken:
        console.print(drawn(view, width=width, encoding=encoding))
    lines = [line.rstrip() for line in taken.get().splitlines()]
    return "\n".join(map(_kept_apart, lines) if SUBMITTED in os.environ else lines)


def _kept_apart(line: str) -> str:
    return re.sub(r"^ +| {2,}", lambda found: NO_BREAK * len(found.group()), line)


def _mark(view: View, index: int) -> str:
    if view.best is None:
        return ""
    return BEST if index == view.best else " "


def _rows_in(view: View, height: int | None) -> View:
    """Return the last rows where the table is higher than the screen; the best row and those that run go first."""
    room = len(view.rows) if height is None else max(FEWEST_ROWS, height - AROUND)
    if len(view.rows) <= room:
        return view
    wanted = _wanted(view)[:room]
    others = [index for index in range(len(view.rows)) if index not in set(wanted)]
    return _only(view, sorted([*wanted, *others[len(others) - (room - len(wanted)) :]]))


def _wanted(view: View) -> list[int]:
    state = view.columns.index("state") if "state" in view.columns else None
    running = [i for i, row in enumerate(view.rows) if state is not None and row[state] == State.RUNNING]
    return sorted({*running, *([] if view.best is None else [view.best])})


def _only(view: View, indices: Sequence[int]) -> View:
    best = indices.index(view.best) if view.best in indices else None
    return replace(view, rows=[view.rows[index] for index in indices], best=best)


def _width(view: View, columns: Sequence[str], more: int) -> int:
    widths = [
        max(map(cell_len, (name, *(row[view.columns.index(name)] for row in view.rows))), default=0) for name in columns
    ]
    widths += [len(f"{more} more")] if more else []
    return sum(widths) + GAP * (len(widths) - 1)
