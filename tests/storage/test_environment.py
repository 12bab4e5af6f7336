"""Software and hardware: what is installed, which code, which GPU, and one record of a study for each change."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from automl.storage import environment
from automl.storage.journal import Journal
from automl.study.environment import Environment, differences
from tests.builders import METRIC, written

VERSION = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (dvs-builder)\nGCC: 13\n"
NOW = {"code": "commit 1a", "torch": "2.15.0"}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout" / "package"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("VALUE = 1\n")
    return folder


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def _changing_files() -> None:
    """A process reads its own code once; here it changes."""
    environment.code.cache_clear()
    environment.commit.cache_clear()


def test_sources_have_the_same_fingerprint_wherever_they_are(package: Path, tmp_path: Path) -> None:
    before = environment.code(package)
    copied = shutil.copytree(package, tmp_path / "site-packages" / "package")
    assert environment.code(copied) == before
    (copied / "__init__.py").write_text("VALUE = 2\n")
    environment.code.cache_clear()
    assert environment.code(copied) != before
    (copied / "__init__.py").rename(copied / "other.py")
    environment.code.cache_clear()
    assert environment.code(copied) not in {before, ""}


def test_a_checkout_has_its_commit_and_says_that_it_was_changed(package: Path) -> None:
    git(package.parent, "init", "-q")
    git(package.parent, "add", ".")
    git(package.parent, "commit", "-q", "-m", "a")
    commit = git(package.parent, "rev-parse", "HEAD")
    assert environment.commit(package) == commit
    (package / "__init__.py").write_text("VALUE = 2\n")
    environment.commit.cache_clear()
    assert environment.commit(package) == f"{commit}+"


@pytest.mark.parametrize("path", ["", None], ids=["no git", "not tracked"])
def test_without_a_commit_there_is_none(package: Path, monkeypatch: pytest.MonkeyPatch, path: str | None) -> None:
    git(package.parent, "init", "-q")
    git(package.parent, "commit", "-q", "--allow-empty", "-m", "a")
    if path is not None:
        monkeypatch.setenv("PATH", path)
    assert environment.commit(package) == ""


def test_the_texts_of_an_environment() -> None:
    found = Environment("3.11.1", "Linux x86_64", {"torch": "2.15.0", "zope": "1"}, (), "575.57.08", "1a2b+", "0" * 64)
    assert environment.described(found) == {
        "code": f"commit 1a2b (changed), sources {'0' * 12}",
        "Python": "3.11.1",
        "platform": "Linux x86_64",
        "torch": "2.15.0",
        "NVIDIA driver": "575.57.08",
    }


def test_a_session_with_the_same_software_records_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    journal = Journal.create(tmp_path, name="small", metric=METRIC)
    for number, now in enumerate((NOW, NOW, {**NOW, "torch": "2.16.0"})):
        environment.record(journal, now, at=f"day {number}")
    assert environment.recorded(Journal.read(tmp_path, metric=METRIC).notes()) == [
        {"at": "day 0", **NOW},
        {"at": "day 2", **NOW, "torch": "2.16.0"},
    ]
    assert caplog.messages == [
        "software: code commit 1a, torch 2.15.0",
        "software changed: torch was 2.15.0, is 2.16.0",
    ]


def test_gpu_and_driver_are_those_of_the_kernel_module(tmp_path: Path) -> None:
    written(tmp_path, "version", VERSION)
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        written(tmp_path, f"gpus/{bus}/information", "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: 1\n")
    assert list(environment.gpus(tmp_path)) == ["NVIDIA H100 80GB HBM3"] * 2
    assert environment.driver(tmp_path) == "580.95.05"
    assert (list(environment.gpus(tmp_path / "none")), environment.driver(tmp_path / "none")) == ([], "")


def test_plain_values_are_read_back() -> None:
    one = environment.present(gpu=True)
    assert Environment.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    assert list(differences(one, one)) == []
