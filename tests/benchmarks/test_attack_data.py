"""Short forms of the attacks on data sets and on studies that have begun."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.yolo, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("name", "tried"), [("datasets", 12), ("midstudy", 8)])
def test_some_attacks_are_held(name: str, tried: int) -> None:
    """In a process of its own: the attacks fork, and this process may have threads."""
    command = [sys.executable, "-m", "benchmarks.attack", "--only", name, "--tried", str(tried), "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {name: {"tried": tried, "held": tried}}, done.stdout
