"""Software and hardware of this process: what a training, a version and the journal of a study record of it.

The journal has a record for each change: TensorBoard shows them with each training, and a report reads them by
`recorded`.
"""

import hashlib
import logging
import platform
import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from automl.storage.journal import Journal
from automl.study.environment import Environment

LOG: Final = logging.getLogger(__name__)

NOTE: Final = "environment"
"""Journal key of the records, one for each change."""
AT: Final = "at"
SHOWN: Final = ("yolo-automl-ray", "ultralytics", "torch", "torchvision", "ray", "optuna", "numpy")
"""Distributions that training and search depend on."""
PACKAGE: Final = Path(__file__).parents[1]
"""The program's own package."""
DRIVER: Final = Path("/proc/driver/nvidia")
"""Where NVIDIA's kernel module describes itself and the GPUs of the machine."""
DIGITS: Final = 12
"""Hexadecimal digits of a shown fingerprint of sources."""
GIT_SECONDS: Final = 10.0


def present(*, gpu: bool) -> Environment:
    """Return the environment of this process; with `gpu` the GPUs of the machine and their driver."""
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=packages(),
        gpus=tuple(gpus(DRIVER)) if gpu else (),
        driver=driver(DRIVER) if gpu else "",
        commit=commit(PACKAGE),
        code=code(PACKAGE),
    )


def described(found: Environment) -> dict[str, str]:
    """Return an environment as texts by name: code, Python, platform, the packages that matter, NVIDIA's driver."""
    changed = " (changed)" if found.commit.endswith("+") else ""
    commit_of = f"commit {found.commit.removesuffix('+')}{changed}, " if found.commit else ""
    return {
        "code": f"{commit_of}sources {found.code[:DIGITS]}",
        "Python": found.python,
        "platform": found.platform,
        **{name: found.packages[name] for name in SHOWN if name in found.packages},
        **({"NVIDIA driver": found.driver} if found.driver else {}),
    }


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


@cache
def packages() -> dict[str, str]:
    """Return the installed distributions: normalised name (PEP 503) to version, by name."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        about = distribution.metadata  # parsed each time that it is asked for, by `version` too
        if name := about["Name"]:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), about["Version"])
    return dict(sorted(found.items()))


@cache
def code(package: Path) -> str:
    """Return the SHA-256 over names and contents of a package's Python files: the same in a checkout and in a wheel."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def commit(package: Path) -> str:
    """Return the git commit of a package, with `+` if its files were changed since; empty where git tracks none."""
    if not _git(package, "ls-files", "--error-unmatch", "__init__.py"):
        return ""
    changed = _git(package, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return _git(package, "rev-parse", "HEAD") + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    """Return the output of git, empty where it fails: there is no git, no repository, or one of another user."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def gpus(place: Path) -> Iterator[str]:
    """Yield the model of each GPU that NVIDIA's kernel module lists."""
    for path in sorted(place.glob("gpus/*/information")):
        for line in _text(path).splitlines():
            if line.startswith("Model:"):
                yield line.removeprefix("Model:").strip()


def driver(place: Path) -> str:
    """Return the version of NVIDIA's kernel module; empty where there is none."""
    found = re.search(r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)*)\s", _text(place / "version"))
    return found[1] if found else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
