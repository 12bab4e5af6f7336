"""Short forms of the attacks on data sets and on studies that have begun."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.yolo, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]


TRIED = {"midstudy": 8, "datasets": 12}
ATTACKS = """
import json, sys
from benchmarks import attack
print(json.dumps({name: attack.attacked(name, tried=tried, seed=3) for name, tried in json.loads(sys.argv[1]).items()}))
"""
"""In one process: the children of the second kind share the imports of the first one, which starts no threads."""


def test_some_attacks_are_held() -> None:
    """In a process of its own: the attacks fork, and this process may have threads."""
    command = [sys.executable, "-c", ATTACKS, json.dumps(TRIED)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    assert done.returncode == 0, done.stderr
    held = {name: {"tried": tried, "held": tried} for name, tried in TRIED.items()}
    assert json.loads(done.stdout.splitlines()[-1]) == held, done.stdout
