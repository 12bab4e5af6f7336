"""Software of a study: one record a change, and the same fingerprint of code in a checkout and a copy."""

import shutil
import subprocess
from pathlib import Path

import pytest

from automl.storage import environment
from automl.storage.journal import Journal
from tests.builders import METRIC

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


def test_sources_have_the_same_fingerprint_wherever_they_are(package: Path, tmp_path: Path) -> None:
    before = environment.code(package)
    copied = shutil.copytree(package, tmp_path / "site-packages" / "package")
    assert environment.code(copied) == before
    (copied / "__init__.py").write_text("VALUE = 2\n")
    assert environment.code(copied) != before
    (copied / "__init__.py").rename(copied / "other.py")
    assert environment.code(copied) not in {before, ""}


def test_a_checkout_has_its_commit_and_says_that_it_was_changed(package: Path) -> None:
    git(package.parent, "init", "-q")
    (package / "new.py").write_text("")
    assert environment.code(package).startswith("sources "), "not tracked"
    git(package.parent, "add", ".")
    git(package.parent, "commit", "-q", "-m", "a")
    commit = git(package.parent, "rev-parse", "HEAD")
    assert environment.code(package).startswith(f"commit {commit}, sources ")
    (package / "__init__.py").write_text("VALUE = 2\n")
    assert environment.code(package).startswith(f"commit {commit} (changed), sources ")


def test_without_git_there_is_the_fingerprint_of_the_sources(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert environment.code(package).startswith("sources ")


def test_a_package_that_is_installed_inside_another_repository_is_not_of_its_commit(package: Path) -> None:
    git(package.parent, "init", "-q")
    git(package.parent, "commit", "-q", "--allow-empty", "-m", "a")
    assert environment.code(package).startswith("sources ")


def test_packages_and_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "DRIVER", tmp_path / "version")
    assert {"Python", "code", "numpy", "torch", "ultralytics"} <= environment.current().keys()
    assert "NVIDIA driver" not in environment.current()
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  575.57.08  Release")
    assert environment.current()["NVIDIA driver"] == "575.57.08"


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
