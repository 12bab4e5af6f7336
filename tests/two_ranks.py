"""A training of two processes, as a stand-in for one on two GPUs: `tests.ranks_run` runs it."""

import os
from pathlib import Path
from typing import Any

import psutil

from automl.cluster import guard, reaper, training
from tests.guarded_worker import wait_until
from tests.processes import existing
from tests.ranks_run import ranks


class Training(training.Training):
    """Does on a worker all that it does, but lets the ranks train."""

    run = "tests.ranks_run:run"


class Elastic(Training):
    """Does the same with ranks of torch elastic."""

    run = "tests.ranks_run:run_elastic"


class Unguarded(Elastic):
    """Marks the processes, so that a test finds them, but leaves them alone."""

    def train(self) -> dict[str, Any]:
        def marked_only(folder: Path, *, process: int) -> None:
            del process
            os.environ[reaper.VARIABLE] = guard._name(folder)

        vars(training)["guard"] = marked_only
        return super().train()


def marked(folder: Path) -> list[psutil.Process]:
    """Return the living processes of the trial in a folder."""
    name = guard._name(folder)
    return list(existing(pid for pid, _ in reaper.processes() if reaper.marked(pid, name)))


def all_ended(folder: Path, *, seconds: float = 120) -> bool:
    """Wait until no process of the trial in a folder is left: none with its mark, none of its ranks."""
    return wait_until(lambda: not marked(folder) and not any(map(psutil.pid_exists, ranks(folder))), seconds=seconds)
