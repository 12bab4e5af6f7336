"""A study on a real Ray whose trials train nothing: each epoch takes a moment and gives a made-up value.

As a script it is a driver: `python -m tests.quick_study FOLDER ADDRESS LOG LOST`, the last two `Timeouts` in seconds.
"""

import logging
import sys
from pathlib import Path

from automl import cluster
from automl.cluster import launcher
from automl.cluster.control_store import Timeouts
from tests import hosted_cluster
from tests.builders import spec_of
from tests.quick_actor import Training
from tests.simulated_study import open_search


def main(folder: Path, address: str, timeouts: Timeouts) -> None:
    """Search, as a job does."""
    vars(launcher)["Training"] = Training
    hosted_cluster.join_as_started()
    with cluster.interruptible():
        source = open_search(folder, spec_of(budget={"trials": 2}), gpus=0)
        with cluster.connected(address=address, log=folder / "ray.log", timeouts=timeouts):
            cluster.run(source, cluster.Slots(gpus=0, cpus=1, concurrent=1))
        if source.over:
            source.finish()
        source.close()
    logging.getLogger("automl").info("search is over" if source.finished else "search is stopped")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Timeouts(log=float(sys.argv[3]), lost=float(sys.argv[4])))
