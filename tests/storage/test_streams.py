"""Standard streams that are closed or whose reader is gone do no harm."""

import subprocess
import sys

import pytest

OPENS = """
import os, sys
from automl.storage import streams
streams.open_closed()
streams.open_closed()
numbers = [os.open(os.devnull, os.O_RDONLY) for _ in range(2)]
sys.stderr.write("lost"); sys.stdout.write("lost"); print("lost", flush=True)
sys.exit(0 if min(numbers) > 2 and all(os.get_inheritable(n) for n in range(3)) else 1)
"""
READS = """
import sys
from automl.storage import streams
try:
    while True:
        print("line", flush=True)
except BrokenPipeError:
    streams.release_output()
print("lost", flush=True)
sys.stderr.write("went on")
"""


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-", ""])
def test_a_file_never_gets_the_number_of_a_closed_stream(closed: str) -> None:
    line = f"\"{sys.executable}\" -c '{OPENS}' {closed}"
    assert subprocess.run(["bash", "-c", line], check=False, capture_output=True).returncode == 0


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_ends_nothing() -> None:
    line = f"set -o pipefail; \"{sys.executable}\" -c '{READS}' | head -1"
    found = subprocess.run(["bash", "-c", line], check=False, capture_output=True, text=True)
    assert (found.returncode, found.stdout, found.stderr) == (0, "line\n", "went on")
