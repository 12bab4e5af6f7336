"""The server of the web page, as a process, for the tests in a browser."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.free_port import free_port

SERVE = "import sys; from automl.apps.cli import app; app()"


def until(found: Callable[[], Any], *, seconds: float = 300) -> Any:
    """Return the first true result of a function that is called until then."""
    deadline = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)
    return result


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of the page, with its token."""
    storage, log = tmp_path / "storage", tmp_path / "log"
    storage.mkdir(exist_ok=True)
    options = ["--storage", str(storage), "--port", str(free_port()), "--language", "en"]
    command = [sys.executable, "-c", SERVE, "web", *options]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield until(lambda: next((line[5:] for line in log.read_text().splitlines() if line.startswith("open ")), ""))
    finally:
        process.terminate()
        process.wait()
