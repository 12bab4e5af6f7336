"""Whole studies where the machine is odd: no reader, no standard error, few open files, a full disk, an early stop."""

import os
import shlex
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from automl.trainers import registration
from tests import tiny_trainer
from tests.guarded_worker import wait_until
from tests.processes import below, ended, named_below
from tests.small_storage import Storage, mounted

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1200)]
LONG = 300
"""Seconds for a step of a study, on a busy machine."""
ROOT = Path(__file__).parents[2]
DESCRIPTION = {
    "name": "tiny",
    "model": tiny_trainer.MODEL,
    "budget": {"trials": 3},
    "ladder": {"min_epochs": 1, "max_epochs": 2},
    "space": {"lr0": {"low": 0.001, "high": 0.1, "default": 0.01, "log": True}},
    "train": {"optimizer": "SGD", "imgsz": 32, "batch": 8, "epoch_seconds": 0.05},
    "confirm": {"seeds": 0},
    "export": {"engine": "none", "end_to_end": False},
}


HELD_START = f"""
import os, runpy, signal
from ray._private import services
start = services.start_gcs_server
def started(*given, **more):
    found = start(*given, **more)
    os.kill(found.process.pid, signal.SIGSTOP)
    return found
services.start_gcs_server = started
runpy.run_path({str(ROOT / "automl" / "search.py")!r}, run_name="__main__")
"""
"""A driver whose Ray does not get further than its store, until that is told to go on."""


class Home:
    """A user's home, in which the command line is typed."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder = folder
        self.description = folder / "study.yaml"
        self.description.write_text(yaml.safe_dump(DESCRIPTION | {"data": str(data)}))
        self.search = shlex.join([sys.executable, str(ROOT / "automl" / "search.py"), str(self.description)])
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            "HOME": str(folder), "AUTOML_STORAGE": str(folder), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1",
            registration.CHOSEN: tiny_trainer.registered(),
        }  # fmt: skip

    @property
    def log(self) -> str:
        path = self.folder / "runs" / "tiny" / "study.log"
        return path.read_text() if path.exists() else ""

    def start(self, line: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environment | variables,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def typed(self, line: str, **variables: str) -> tuple[int, str, str]:
        """Return exit code, output and errors of a line in a shell."""
        with ended(self.start(line, **variables)) as process:
            out, error = process.communicate(timeout=500)
        return process.returncode, out, error


@pytest.fixture
def home(tmp_path: Path, data: Path) -> Home:
    return Home(tmp_path, data)


def modes(folder: Path) -> set[int]:
    """Return the rights of group and others on all files below a folder."""
    return {stat.S_IMODE(path.lstat().st_mode) & 0o077 for path in folder.rglob("*") if not path.is_symlink()}


def test_a_study_whose_reader_goes_away_ends_all_the_same_and_heeds_its_umask(home: Home) -> None:
    line = f"set -o pipefail; umask 077; {home.search} | head -3"
    code, out, error = home.typed(line)
    assert code == 0, error + home.log
    assert len(out.splitlines()) == 3
    assert home.log.count("standard output: its reader is gone; lines go to study.log alone") == 1
    assert "study took" in home.log
    assert error == ""
    assert modes(home.folder / "runs") == modes(home.folder / "models") == {0}


def test_a_study_without_standard_error_runs_and_its_token_is_its_owner_s_alone(home: Home) -> None:
    code, out, _ = home.typed(f"umask 022; {home.search} 2>&-")
    assert code == 0, out
    assert "study took" in home.log
    token = home.folder / ".ray" / "auth_token"
    assert (stat.S_IMODE(token.stat().st_mode), stat.S_IMODE(token.parent.stat().st_mode)) == (0o600, 0o700)


def test_too_few_open_files_are_one_message(home: Home) -> None:
    code, _, error = home.typed(f"ulimit -n 64; {home.search}")
    assert code == 2, home.log
    assert error.startswith("automl: ulimit -n: must allow a process at least 256 open files")
    assert "Traceback" not in error


def test_a_stop_while_ray_starts_is_orderly_and_leaves_no_process(home: Home) -> None:
    line = shlex.join([sys.executable, "-c", HELD_START, str(home.description)])
    with ended(home.start(f"exec {line}")) as driver:
        assert wait_until(lambda: named_below(driver.pid, "gcs_server"), seconds=LONG)
        (store,), rays = named_below(driver.pid, "gcs_server"), below(driver.pid)
        driver.send_signal(signal.SIGTERM)
        store.resume()
        out, error = driver.communicate(timeout=LONG)
    assert driver.returncode == 128 + signal.SIGINT, error + out
    assert error.splitlines()[-1] == "automl: stopped; nothing is lost"
    assert "Traceback" not in error
    assert "Ray dashboard" not in out, "the signal came after the start"
    assert wait_until(lambda: not any(one.is_running() for one in rays))


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_a_process_of_ray_s_that_ends_is_named_and_the_study_can_be_resumed(home: Home, name: str) -> None:
    with ended(home.start(f"exec {home.search} --set train.epoch_seconds=600")) as driver:  # it lasts until then
        assert wait_until(lambda: "trial 0 starts" in home.log, seconds=LONG)
        for process in named_below(driver.pid, name):
            process.send_signal(signal.SIGBUS)
        out, error = driver.communicate(timeout=LONG)
    assert driver.returncode == 75, error + out
    told = (
        f"automl: the Ray cluster is lost: Ray's process {name} ended by SIGBUS; all results are saved: automl resume"
    )
    assert error.splitlines()[-1].startswith(told)
    assert f"cluster: Ray's process {name} ended by SIGBUS; this process exits" in home.log


@contextmanager
def small_disk(size: str) -> Iterator[Storage]:
    """Mount a small temporary folder of a short name, since Ray's sockets stand there."""
    with tempfile.TemporaryDirectory(prefix="t") as place, mounted(Path(place, "s"), size=size) as disk:
        yield disk


def test_a_temporary_folder_that_fills_up_is_told_and_loses_nothing(home: Home) -> None:
    waits = "No space left on device; writes wait until there is free space"
    with small_disk("40m") as disk:
        line = f"exec {home.search} --set train.epoch_seconds=1"
        with ended(home.start(line, TMPDIR=str(disk.folder))) as driver:
            assert wait_until(lambda: "trial 0 starts" in home.log, seconds=LONG)
            disk.fill()
            assert wait_until(lambda: driver.poll() is not None or waits in home.log, seconds=LONG), home.log
            disk.empty()
            out, error = driver.communicate(timeout=LONG)
    assert "Traceback" not in error
    assert driver.returncode in {0, 2}, out + error
    if driver.returncode:
        assert [said[: len("automl: ")] for said in error.splitlines()] == ["automl: "]
        assert "the local temporary folder must have room" in error
        code, out, error = home.typed(f"{home.search} --set train.epoch_seconds=1")
        assert code == 0, out + error
    assert "study took" in home.log
