"""Scratch folders go with their process."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from automl.storage import scratch
from tests.processes import ended


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_folder_is_gone_after_its_block_also_when_the_block_fails() -> None:
    made: list[Path] = []

    def broken() -> None:
        with scratch.folder() as place:
            made.append(place)
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        broken()
    assert not made[0].exists()


def test_what_a_dead_process_left_is_swept_and_a_living_one_keeps_its_own(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    dead = tmp_path / f"automl-{done.stdout.strip()}-abc"
    foreign = tmp_path / "automl-notes"
    mine = scratch.make()
    for folder in (dead, foreign):
        folder.mkdir()

    scratch.make()

    assert not dead.exists()
    assert mine.exists()
    assert foreign.exists()


HOLD = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from automl.storage import scratch
print(scratch.make(), flush=True)
sys.stdin.read()
"""


def test_a_process_of_another_container_keeps_its_folder_while_it_lives(tmp_path: Path) -> None:
    with ended(
        subprocess.Popen(
            [sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
        )
    ) as other:
        assert other.stdout
        made = Path(other.stdout.readline().strip())
        unknown = made.with_name(f"automl-{2**22 + 1}-abc")  # numbers of its namespace mean nothing here
        made.rename(unknown)
        scratch.make()
        assert unknown.exists()
        other.kill()
        other.wait()
        scratch.make()
        assert not unknown.exists()


def test_a_folder_that_was_swept_before_it_was_locked_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = scratch._locked
    swept: list[Path] = []

    def late(folder: Path) -> int | None:
        handle = lock(folder)
        if not swept:
            swept.append(folder)
            folder.rmdir()
        return handle

    monkeypatch.setattr(scratch, "_locked", late)
    made = scratch.make()
    assert made.exists()
    assert made not in swept


def test_a_link_in_place_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    (tmp_path / f"automl-{2**22 + 1}-abc").symlink_to(tmp_path / "mine")
    scratch.make()
    assert (tmp_path / "mine" / "file").exists()
