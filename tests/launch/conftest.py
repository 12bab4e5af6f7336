"""A shell and a head for the tests of launch/."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launch.shell import Jobs, Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def address() -> Iterator[str]:
    """The address of a head that takes questions."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Jobs) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
