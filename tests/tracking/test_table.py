"""A table fits where it stands: whole columns go, the best and the running rows stay, white space survives."""

import io
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from automl.study.text import View
from automl.tracking.table import SUBMITTED, best_and_running, drawn, fitted, plain_lines

PARAMS = [f"parameter_{number}" for number in range(5)]
COLUMNS = ["trial", "state", "epoch", "map50_95", "by epoch 12", *PARAMS, "time left"]
STATES = ["PAUSED", "COMPLETED", "RUNNING", "FAILED"]


def view_of(count: int = 4, best: int | None = 1) -> View:
    rows = [
        [str(number), STATES[number % 4], "3/12", "0.4321", "0.41 (0.38..0.47)", *["0.01235"] * 5, "2h01m"]
        for number in range(count)
    ]
    return View(
        "many: 1 of 9", COLUMNS, rows, optional=[*reversed(PARAMS), "by epoch 12", "time left"], more=3, best=best
    )


def printed(view: View, *, width: int, height: int | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as taken:
        console.print(drawn(view, width=width, height=height))
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in taken.get().splitlines()]


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (200, [*COLUMNS, "3 more"]),
        (120, [*COLUMNS[:8], "time left", "5 more"]),
        (80, [*COLUMNS[:5], "time left", "8 more"]),
        (50, [*COLUMNS[:4], "9 more"]),
        (1, [*COLUMNS[:4], "10 more"]),
    ],
)
def test_columns_go_as_a_whole_params_first(width: int, columns: list[str]) -> None:
    shown = fitted(view_of(), width)
    assert shown.columns[:-1] == [name for name in COLUMNS if name in columns] or width == 50
    assert shown.columns[-1].endswith(" more")
    assert int(shown.columns[-1].split()[0]) == len(COLUMNS) + 3 - (len(shown.columns) - 1)


@given(st.integers(45, 220))
def test_no_line_is_wider_than_the_terminal_and_none_is_cut(width: int) -> None:
    lines = printed(view_of(), width=width)
    assert len(lines) == 6
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)


def test_where_there_is_no_terminal_all_columns_are_there() -> None:
    assert fitted(view_of(), None).columns == COLUMNS


def test_the_best_row_is_marked() -> None:
    assert [row[0] for row in fitted(view_of(), 80).rows] == ["0 ", "1*", "2 ", "3 "]
    assert [row[0] for row in fitted(view_of(best=None), 80).rows] == ["0", "1", "2", "3"]


def test_of_many_rows_a_screen_shows_the_best_those_that_run_and_the_last() -> None:
    lines = printed(view_of(40, best=1), width=120, height=24)[2:]
    numbers = [int(re.split(r"[* ]", line.strip())[0]) for line in lines]
    assert numbers == [1, 2, 6, 10, 14, 18, 22, 26, 30, 34, 35, 36, 37, 38, 39][-16:] or len(numbers) == 16
    assert {1, *range(2, 40, 4)} <= set(numbers)
    assert numbers[-1] == 39
    assert lines[0].lstrip().startswith("1*")


@pytest.mark.parametrize(("height", "rows"), [(None, 50), (25, 17), (1, 3)])
def test_a_screen_shows_the_last_rows(height: int | None, rows: int) -> None:
    lines = printed(View("many", ["trial"], [[str(number)] for number in range(50)]), width=80, height=height)
    assert [line.strip() for line in lines[2:]] == [str(number) for number in range(50 - rows, 50)]


def test_a_log_gets_the_best_row_and_those_that_run() -> None:
    shown = best_and_running(view_of(8, best=1))
    assert [row[0] for row in shown.rows] == ["1", "2", "6"]
    assert shown.best == 0


def on_rays_page(text: str) -> list[str]:
    """Return lines as a page with `white-space: nowrap` shows them: runs of spaces are one, leading ones none."""
    return [re.sub(r" +", " ", line).strip(" ") for line in text.splitlines()]


def test_in_a_job_the_columns_stay_apart_on_rays_page(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = plain_lines(view_of(), width=140)
    assert "\xa0" not in plain
    monkeypatch.setenv(SUBMITTED, "{}")
    shown = on_rays_page(plain_lines(view_of(), width=140))
    assert [line.replace("\xa0", " ") for line in shown] == plain.splitlines()


SCRIPT = """
from automl.apps.cli.messages import print_table
from tests.tracking.test_table import view_of
print_table(view_of())
"""


def read_to_the_end(terminal: int) -> str:
    """Return what was written to a terminal whose other end is closed; it comes in parts, and then EIO."""
    found = b""
    with suppress(OSError):
        while part := os.read(terminal, 100_000):
            found += part
    os.close(terminal)
    return found.decode()


@pytest.mark.slow
def test_a_verb_fits_the_terminal_and_a_pipe_gets_everything() -> None:
    parent, child = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", SCRIPT], env=environment, stdout=child, check=True)
    os.close(child)
    shown = read_to_the_end(parent)
    assert "8 more" in shown
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in shown.splitlines()) <= 80
    piped = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    assert all(name in piped.stdout.splitlines()[1] for name in COLUMNS)
    assert "more" not in piped.stdout
