"""What `tests.two_ranks` runs in the process of a training: a launcher starts two ranks, which meet.

That of torch elastic, whose ranks gloo joins, takes 6 CPU-seconds; `plain_ranks` starts such processes without torch.

It imports no Ray: each process of a training is forked from one without, and would take 2 CPU-seconds to import it.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from automl.study import Ending, Job, Measurement, Report

RANKS = 2
HERE = Path(__file__).parent


def run_elastic(job: Job, report: Report) -> Ending:
    """Train with the ranks of torch elastic."""
    elastic = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(RANKS)]
    return _run([*elastic, str(HERE / "gloo_rank.py"), str(job.folder)], job, report)


def run(job: Job, report: Report) -> Ending:
    """Train with ranks without torch."""
    return _run([sys.executable, "-I", "-S", str(HERE / "plain_ranks.py"), str(job.folder)], job, report)


def _run(command: list[str], job: Job, report: Report) -> Ending:
    """Report the turns of a loop while the ranks train."""
    launcher = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
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
