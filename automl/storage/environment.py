"""Software of a study: code, packages and driver, recorded in the journal whenever they change.

TensorBoard shows them with each training; a report and a model card read them by `recorded`.
"""

import hashlib
import logging
import platform
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from automl.storage.journal import Journal

LOG: Final = logging.getLogger(__name__)

NOTE: Final = "environment"
"""Journal key of the records, one for each change."""
AT: Final = "at"
PACKAGES: Final = ("yolo-automl-ray", "ultralytics", "torch", "torchvision", "ray", "optuna", "numpy")
"""Distributions that training and search depend on."""
DRIVER: Final = Path("/proc/driver/nvidia/version")
DIGITS: Final = 12
"""Hexadecimal digits of a fingerprint; the whole commit is kept."""
SECONDS: Final = 10


def current() -> dict[str, str]:
    """Return the software of this process by name: code, Python, packages, and NVIDIA's driver where there is one."""
    packages = {name: found for name in PACKAGES if (found := _version(name))}
    driver = _driver()
    return {
        "code": code(Path(__file__).parents[1]),
        "Python": platform.python_version(),
        "platform": platform.platform(terse=True),
        **packages,
        **({"NVIDIA driver": driver} if driver else {}),
    }


def code(package: Path) -> str:
    """Return the fingerprint of a package's sources, and the git commit where they are tracked.

    `sources 5f2a…` is the SHA-256 of all `.py` files with their paths, the same in a checkout and in a wheel.
    `commit 1a2b…` precedes it in a checkout, with `changed` where tracked sources differ from the commit.
    """
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode())
        digest.update(path.read_bytes() + b"\0")
    sources = f"sources {digest.hexdigest()[:DIGITS]}"
    if not _git(package, "ls-files", "--error-unmatch", "__init__.py"):
        return sources
    changed = " (changed)" if _git(package, "status", "--porcelain", "--untracked-files=no", "--", ".") else ""
    return f"commit {_git(package, 'rev-parse', 'HEAD')}{changed}, {sources}"


def record(journal: Journal, now: Mapping[str, str], *, at: str) -> None:
    """Record the software of a session, where it is not that of the session before; log what differs."""
    known = journal.notes().get(NOTE, [])
    before = {name: value for name, value in known[-1].items() if name != AT} if known else {}
    if before == now:
        return
    journal.note(NOTE, [*known, {AT: at, **now}])
    if not before:
        LOG.info(f"software: {', '.join(f'{name} {value}' for name, value in now.items())}")
        return
    for name in dict.fromkeys((*before, *now)):
        if before.get(name) != now.get(name):
            LOG.info(f"software changed: {name} was {before.get(name, 'none')}, is {now.get(name, 'none')}")


def recorded(notes: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the records in a journal's notes, oldest first, each with its time `at`; empty in older studies."""
    return [dict(one) for one in notes.get(NOTE, ())]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _driver() -> str:
    try:
        found = re.search(r"\b\d+\.\d+(\.\d+)?\b", DRIVER.read_text())
    except OSError:
        return ""
    return found.group() if found else ""


def _git(folder: Path, *arguments: str) -> str:
    """Return the output of git, empty where it fails: there is no git, no repository, or one of another user."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
