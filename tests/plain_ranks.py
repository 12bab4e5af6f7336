"""Processes as torch elastic starts them, without torch: a launcher, and ranks that each lead a session of their own.

As a script: `plain_ranks.py FOLDER` is the launcher, `plain_ranks.py FOLDER COUNT` a rank that waits for the others and
says how many there are. None of them ends by itself, whoever is killed; a rank of torch elastic may.
"""

import os
import subprocess
import sys
import time
from pathlib import Path


def launch(folder: str, count: int) -> None:
    """Start the ranks and wait for them, as the agent of torch elastic does."""
    command = [sys.executable, "-I", "-S", __file__, folder, str(count)]
    for rank in [subprocess.Popen(command, start_new_session=True) for _ in range(count)]:
        rank.wait()


def meet(folder: Path, count: int) -> None:
    """Say that this rank is there; once all are, say so over and over."""
    (folder / f"met-{os.getpid()}").touch()
    while True:
        met = len(list(folder.glob("met-*")))
        (folder / f"rank-{os.getpid()}").write_text(f"{os.getsid(0)} {min(met, count)}")
        time.sleep(0.1)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        meet(Path(sys.argv[1]), int(sys.argv[2]))
    launch(sys.argv[1], 2)
