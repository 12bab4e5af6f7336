"""A shell for the tests of launch/."""

from pathlib import Path

import pytest

from tests.launch.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)
