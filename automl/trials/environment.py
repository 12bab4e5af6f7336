"""Record of the environment that a training runs in: `environment.json` in the training's folder.

Written by the worker, since the nodes of a cluster may differ from the machine of the driver.
"""

import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

from automl.storage import records
from automl.storage.layout import ENVIRONMENT
from automl.study import Job
from automl.study.environment import Environment

PACKAGE: Final = Path(__file__).parents[1]
"""The program's own package."""
DRIVER: Final = Path("/proc/driver/nvidia")
"""Where NVIDIA's kernel module describes itself and the GPUs of the machine."""
GIT_SECONDS: Final = 10.0


def record(job: Job) -> None:
    """Write the environment of this process into a job's folder."""
    records.write_json(job.folder / ENVIRONMENT, present(gpu=job.gpus > 0).to_dict())


def read(folder: Path) -> Environment | None:
    """Return the environment in a training's folder; None where an earlier version trained.

    Raises:
        RecordError: the file is damaged.
    """
    path, kind, remedy = folder / ENVIRONMENT, "the environment of a training", "restore it from a copy, or remove it"
    if not path.exists():
        return None
    plain = records.read_json(path, kind=kind, remedy=remedy)
    with records.reading(path, kind=kind, remedy=remedy):
        return Environment.from_dict(plain)


def present(*, gpu: bool) -> Environment:
    """Return the environment of this process; with `gpu` the GPUs of the machine and their driver."""
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=packages(),
        gpus=tuple(gpus(DRIVER)) if gpu else (),
        driver=driver(DRIVER) if gpu else "",
        commit=commit(),
        code=code(),
    )


@cache
def packages() -> dict[str, str]:
    """Return the installed distributions: normalised name (PEP 503) to version, by name."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        if name := distribution.metadata["Name"]:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version)
    return dict(sorted(found.items()))


@cache
def code() -> str:
    """Return the SHA-256 over names and contents of the program's own Python files."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(PACKAGE)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def commit() -> str:
    """Return the git commit of the program, with `+` if its files were changed since; empty outside a checkout."""
    root = PACKAGE.parent
    if not os.path.lexists(root / ".git"):
        return ""
    head = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", PACKAGE.name)
    return f"{head}+" if head and changed else head


def _git(root: Path, *words: str) -> str:
    """Return what git prints; empty where git is missing or refuses."""
    try:
        found = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=False, timeout=GIT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


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
