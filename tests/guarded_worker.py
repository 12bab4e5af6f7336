"""Stands where a trial's worker stands: guarded, with children of a chosen kind, and told from outside when to go."""

import subprocess
import sys
import time
from pathlib import Path

import psutil

from automl.cluster import reaper

WORKER = """
import os, signal, subprocess, sys, time, types
package = types.ModuleType("automl.cluster")
package.__path__ = [{package!r}]
sys.modules["automl.cluster"] = package  # without Ray, which takes seconds to import
from pathlib import Path
from automl.cluster.guard import guard

folder, kind = Path(sys.argv[1]), sys.argv[2]
guard(folder, process=os.getpid())
asleep = [sys.executable, "-S", "-c", "import time; time.sleep(300)"]
deaf = [sys.executable, "-S", "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(300)"]
outer = f"import subprocess, time; p = subprocess.Popen({{asleep!r}}, env={{{{}}}}, start_new_session=True); " \\
    "print(p.pid, flush=True); time.sleep(300)"
quiet = dict(start_new_session=True, stdout=subprocess.DEVNULL)
if kind.startswith("forked"):
    forked = os.fork()
    if not forked:
        if kind == "forked away":
            os.setsid()
        time.sleep(300)
    pids = [forked]
elif kind == "below":
    parent = subprocess.Popen([sys.executable, "-S", "-c", outer], start_new_session=True, stdout=subprocess.PIPE)
    pids = [parent.pid, int(parent.stdout.readline())]
else:
    pids = [subprocess.Popen(deaf if kind == "deaf" else asleep, **quiet).pid]
(folder / f"{{os.getpid()}}.part").write_text(" ".join(map(str, pids)))
(folder / f"{{os.getpid()}}.part").rename(folder / f"{{os.getpid()}}.pids")
time.sleep(300)
"""


def start(
    folder: Path, kind: str, *, stdout: int | None = None
) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    """Start a guarded worker in a session of its own; return it and its children once they are there."""
    folder.mkdir(exist_ok=True)
    package = Path(reaper.__file__).parent
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER.format(package=str(package)), str(folder), kind],
        cwd=package.parents[1],
        start_new_session=True,
        stdout=stdout,
    )
    told = folder / f"{worker.pid}.pids"
    wait_until(told.exists)
    return worker, [psutil.Process(int(pid)) for pid in told.read_text().split()]


def guardians(folder: Path) -> list[psutil.Process]:
    """Return the guardians that live in this machine for trials below a folder, by their marks."""
    from automl.cluster import guard  # noqa: PLC0415  (imports Ray)

    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if (words := process.info["cmdline"] or []) and words[-1].startswith(guard._name(folder))
    ]


def wait_until(held: object, *, seconds: float = 120) -> bool:
    """Wait until something holds, and tell whether it does."""
    assert callable(held)
    deadline = time.monotonic() + seconds
    while not held():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
