"""Processes of a test, read such that one which ends meanwhile is left out instead of raising NoSuchProcess."""

import contextlib
import subprocess
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import psutil

Text = TypeVar("Text", str, bytes)
Value = TypeVar("Value")


@contextlib.contextmanager
def ended(process: subprocess.Popen[Text]) -> Iterator[subprocess.Popen[Text]]:
    """Close a process as its own context manager does, but kill it first where a test fails while it runs.

    Without that, the test would wait for a process that nobody ends any more.
    """
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def below(pid: int, *, command: str = "") -> list[psutil.Process]:
    """Return the descendants of a process whose command line holds some words; none where the process is gone."""
    children: Iterable[psutil.Process] = ()
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(pid).children(recursive=True)
    return [child for child in children if command in " ".join(_read(child.cmdline, []))]


def named_below(pid: int, name: str) -> list[psutil.Process]:
    """Return the descendants of a process whose name holds some letters."""
    return [child for child in below(pid) if name in _read(child.name, "")]


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return the processes that are neither gone nor wait as zombies for their parent."""
    zombie = psutil.STATUS_ZOMBIE
    return [one for one in processes if one.is_running() and _read(one.status, zombie) != zombie]


def existing(pids: Iterable[int]) -> Iterator[psutil.Process]:
    """Yield the processes of some numbers that still are there."""
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            yield psutil.Process(pid)


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """End processes with SIGKILL."""
    for process in alive(processes):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _read(what: Callable[[], Value], gone: Value) -> Value:
    try:
        return what()
    except psutil.NoSuchProcess:
        return gone
