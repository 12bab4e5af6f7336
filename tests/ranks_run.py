"""What `tests.two_ranks` runs in the process of a training: torch elastic starts two ranks, gloo joins them.

It imports no Ray: each process of a training is forked from one without, and would take 2 CPU-seconds to import it.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from automl.study import Ending, Job, Measurement, Report

RANKS = 2


def run(job: Job, report: Report) -> Ending:
    """Report the turns of a loop while the ranks train."""
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
