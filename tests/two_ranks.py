"""A training of two processes, as a stand-in for one on two GPUs: torch elastic starts them, gloo joins them.

`run` stands where the worker's own function stands; what it reports are turns of the loop.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from automl.cluster import guard, reaper, training
from automl.study import Ending, Job, Measurement, Report
from tests.guarded_worker import wait_until
from tests.processes import existing

RANKS = 2


class Training(training.Training):
    """Does on a worker all that it does, but lets the ranks train."""

    run = "tests.two_ranks:run"


class Unguarded(Training):
    """Marks the processes, so that a test finds them, but leaves them alone."""

    def train(self) -> dict[str, Any]:
        def marked_only(folder: Path, *, process: int) -> None:
            del process
            os.environ[reaper.VARIABLE] = guard._name(folder)

        vars(training)["guard"] = marked_only
        return super().train()


def run(job: Job, report: Report) -> Ending:
    elastic = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(RANKS)]
    launcher = subprocess.Popen(
        [*elastic, str(Path(__file__).with_name("gloo_rank.py")), str(job.folder)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    while len(ranks(job.folder)) < RANKS:
        if launcher.poll() is not None:
            return Ending(cause="the ranks did not start")
        time.sleep(0.1)
    for epoch in range(1, job.epochs + 1):
        report(Measurement(epoch, {job.metric: 0.5}, 0.3))
        time.sleep(0.3)
    return Ending(final=Measurement(job.epochs, {job.metric: 0.5}, 1.0))


def ranks(folder: Path) -> list[int]:
    """Return the process ids of the ranks that met all others; each leads a session of its own."""
    told = {path.name.removeprefix("rank-"): path.read_text().split() for path in folder.glob("rank-*")}
    return [int(pid) for pid, words in told.items() if words == [pid, str(RANKS)]]


def marked(folder: Path) -> list[psutil.Process]:
    """Return the living processes of the trial in a folder."""
    name = guard._name(folder)
    return list(existing(pid for pid, _ in reaper.processes() if reaper.marked(pid, name)))


def all_ended(folder: Path, *, seconds: float = 120) -> bool:
    """Wait until no process of the trial in a folder is left: none with its mark, none of its ranks."""
    return wait_until(lambda: not marked(folder) and not any(map(psutil.pid_exists, ranks(folder))), seconds=seconds)
