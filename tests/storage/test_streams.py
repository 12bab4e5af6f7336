"""Standard streams that are closed or whose reader is gone do no harm."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from automl.storage import streams

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


def test_what_vendors_print_is_plain_in_a_log(tmp_path: Path) -> None:
    said = [
        "\x1b[34m\x1b[1mtrain: \x1b[0mscanning\n",
        "\r\x1b[K1/2 of a\x1b]0;title\x07.jpg", "\r\x1b[K2/2 of b\u202egpj.exe", "\n",
        "col\tumn \udcfc \ud800 \x9b2J\r\n",
    ]  # fmt: skip
    with (tmp_path / "log.txt").open("wb") as raw:
        log = streams.Log(raw.fileno(), "w", closefd=False)
        stream = io.TextIOWrapper(log, encoding="utf-8", errors="backslashreplace", write_through=True)
        for text in said:
            stream.write(text)
    assert (tmp_path / "log.txt").read_text().splitlines() == [
        "train: scanning",
        r"1/2 of a\x1b]0;title\x07.jpg",
        r"2/2 of b\u202egpj.exe",
        "col\tumn \\udcfc \\ud800 \\x9b2J",
    ]


def test_a_process_cleans_what_python_prints() -> None:
    code = (
        "import sys; from automl.storage import streams; streams.clean_prints()\n"
        "print('\\x1b[31mred\\x1b[2J'); sys.stderr.write('\\x07bell')"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert (found.stdout, found.stderr) == ("red\\x1b[2J\n", "\\x07bell")


LETTERS = """
import sys
from automl.storage import streams
streams.print_all_letters()
print("\\u6570\\u636e \\xe9")
"""


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [("ascii", b"\\u6570\\u636e \\xe9\n"), ("latin-1", b"\\u6570\\u636e \xe9\n"), ("utf-8", "数据 é\n".encode())],
)
def test_a_letter_that_the_encoding_lacks_is_printed_by_its_number(encoding: str, printed: bytes) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", LETTERS], capture_output=True, env=environment, check=True)
    assert done.stdout == printed
