"""What a person sees: one line an event, a table now and then, and text that is never taken for markup."""

import io
import logging
import re
from pathlib import Path

import pytest
from rich.console import Console

from automl.study.text import View
from automl.tracking.console import (
    EPOCHS_SECONDS,
    PLAIN_SECONDS,
    PLAIN_WIDTH,
    REFRESH_SECONDS,
    Output,
    Progress,
    announce,
)
from automl.tracking.table import drawn
from tests.builders import record_of

EVIL = "[red]x[/] [/b] [link=http://x]ü"
VIEW = View("study: 1 of 2", ["trial", "state", "why"], [["0", "RUNNING", "fine"], ["1", "FAILED", EVIL]])


class Clock:
    """Stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def console_of(*, terminal: bool = False, height: int = 25) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, height=height, color_system=None)


def said(progress: Progress) -> str:
    file = progress.console.file
    return file.getvalue() if isinstance(file, io.StringIO) else ""


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    return Progress(tmp_path / "study.log", console=console_of(), clock=Clock())


def test_an_event_goes_to_the_log_and_to_the_console(tmp_path: Path, progress: Progress) -> None:
    for text in ("trial 0 starts", EVIL):
        progress.emit(record_of(text))
    lines = (tmp_path / "study.log").read_text(encoding="utf-8").splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["trial 0 starts", EVIL]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line.partition(" ")[0]) for line in lines)
    assert [line.partition(" ")[2] for line in said(progress).splitlines()] == ["trial 0 starts", EVIL]


def test_a_log_is_gone_on_with(tmp_path: Path) -> None:
    for _ in range(2):
        Progress(tmp_path / "study.log", console=console_of()).emit(record_of("again"))
    assert len((tmp_path / "study.log").read_text().splitlines()) == 2


def test_a_long_event_stays_one_line(progress: Progress) -> None:
    progress.emit(record_of("x" * 500))
    assert len(said(progress).splitlines()) == 1


def test_without_a_terminal_the_table_is_printed_now_and_then(tmp_path: Path) -> None:
    clock, looks = Clock(), 0

    def view() -> View:
        nonlocal looks
        looks += 1
        return VIEW

    progress = Progress(tmp_path / "study.log", console=console_of(), clock=clock)
    with progress.live():
        for _ in range(100):
            progress.show(view)
            clock.now += PLAIN_SECONDS / 50
    assert looks == 2
    progress.show(view, now=True)
    assert looks == 3


def row(number: int, state: str, epoch: int, value: str) -> list[str]:
    return [str(number), state, f"{epoch}/9", value]


def view_of(*rows: list[str], best: int | None = None) -> View:
    return View("study", ["trial", "state", "epoch", "map"], rows, best=best)


def test_a_log_gets_the_table_only_when_something_changed(tmp_path: Path) -> None:
    clock = Clock()
    progress = Progress(tmp_path / "study.log", console=console_of(), clock=clock)

    def tables(view: View, *, after: float = PLAIN_SECONDS) -> int:
        clock.now += after
        before = said(progress).count("study")
        progress.show(lambda: view)
        return said(progress).count("study") - before

    first = view_of(row(0, "RUNNING", 1, "0.1"), row(1, "RUNNING", 1, "0.2"), best=1)
    later = view_of(row(0, "RUNNING", 2, "0.1"), row(1, "RUNNING", 2, "0.2"), best=1)
    assert tables(first) == 1
    assert [tables(first) for _ in range(100)] == [0] * 100
    assert tables(later) == 1  # epochs, after a while
    assert tables(first) == 0  # epochs, too soon
    assert tables(view_of(row(0, "RUNNING", 3, "0.3"), row(1, "RUNNING", 2, "0.2"), best=0)) == 1
    assert tables(view_of(row(0, "RUNNING", 3, "0.3"), row(1, "PAUSED", 2, "0.2"), best=0)) == 1
    assert tables(later, after=PLAIN_SECONDS / 2) == 0
    assert EPOCHS_SECONDS > PLAIN_SECONDS


def test_a_log_shows_the_best_row_and_those_that_run_and_all_at_the_end(progress: Progress) -> None:
    rows = [row(number, state, 1, "0.1") for number, state in enumerate(["PAUSED", "COMPLETED", "RUNNING", "WAITING"])]
    progress.show(lambda: view_of(*rows, best=1))
    assert re.findall(r"^ *(\d)", said(progress), flags=re.MULTILINE) == ["1", "2"]
    progress.show(lambda: view_of(*rows, best=1), now=True)
    assert re.findall(r"^ *(\d)", said(progress), flags=re.MULTILINE) == ["1", "2", "0", "1", "2", "3"]


def test_a_line_before_there_is_a_log_looks_like_one(capsys: pytest.CaptureFixture[str]) -> None:
    announce(f"loads {EVIL}")
    assert re.fullmatch(rf"\d\d:\d\d:\d\d loads {re.escape(EVIL)}\n", capsys.readouterr().out)


def test_on_a_terminal_the_table_is_drawn_often_and_gone_at_the_end(tmp_path: Path) -> None:
    clock = Clock()
    progress = Progress(tmp_path / "study.log", console=console_of(terminal=True), clock=clock)
    clock.now = 1.0
    with progress.live():
        progress.show(lambda: VIEW)
        clock.now += REFRESH_SECONDS
        progress.show(lambda: View("later", ["trial"], []))
    assert "later" in said(progress)
    clock.now += REFRESH_SECONDS
    progress.show(lambda: View("after", ["trial"], []))
    assert "after" not in said(progress)


def test_output_without_a_terminal_is_wide_enough_for_a_table(progress: Progress) -> None:
    assert progress.console.width == PLAIN_WIDTH


class Gone(io.StringIO):
    """A pipe whose reader goes away."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def write(self, text: str) -> int:
        self.left -= 1
        if self.left < 0:
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(text)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_reader_that_goes_away_ends_no_study(tmp_path: Path, *, terminal: bool) -> None:
    console = Output(file=Gone(2), force_terminal=terminal, width=120, color_system=None)
    progress = Progress(tmp_path / "study.log", console=console, clock=Clock())
    with progress.attached(), progress.live():
        for number in range(9):
            logging.getLogger("automl.test").info(f"trial {number} starts")
            progress.show(lambda: VIEW, now=True)
    log = (tmp_path / "study.log").read_text()
    assert all(f"trial {number} starts" in log for number in range(9))
    assert log.count("standard output: its reader is gone; lines go to study.log alone") == 1


def test_a_terminal_that_goes_away_ends_no_study(tmp_path: Path) -> None:
    class Hung(io.StringIO):
        def write(self, text: str) -> int:  # noqa: ARG002
            raise OSError(5, "Input/output error")

    console = Console(file=Hung(), force_terminal=True, width=120, color_system=None)
    progress = Progress(tmp_path / "study.log", console=console, clock=Clock())
    with progress.live():
        progress.emit(record_of("trial 0 starts"))
    assert "trial 0 starts" in (tmp_path / "study.log").read_text()


NAMES = ["ho\x1b[31mle\x1b]52;c;eA==\x07", "a\n2026-01-01T00:00:00Z champion forged", "\u202egpj.exe", "b\udcfcro"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_cannot_forge_a_line_or_steer_a_terminal(
    tmp_path: Path, progress: Progress, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    progress.emit(record_of(f"image {name} is odd"))
    announce(f"looks at {name}")
    progress.console.print(drawn(View(name, ["trial", name], [["0", name]])))
    log = (tmp_path / "study.log").read_text()
    assert len(log.splitlines()) == 1
    for line in (*log.splitlines(), *capsys.readouterr().out.splitlines(), *said(progress).splitlines()):
        assert line.isprintable()


def test_a_name_is_never_taken_for_markup(progress: Progress) -> None:
    progress.console.print(drawn(View(EVIL, ["trial", EVIL], [["0", EVIL]])))
    assert said(progress).count(EVIL) == 3


def test_a_title_stands_in_one_line_however_narrow_the_table(progress: Progress) -> None:
    progress.console.print(drawn(View("a title of many words " * 4, ["x"], [["1"]])))
    assert said(progress).splitlines()[0].count("many") == 4
