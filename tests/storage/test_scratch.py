"""Scratch folders go with their process."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from automl.storage import scratch


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
