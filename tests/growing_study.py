"""Two jobs on a cluster that grows and shrinks: `python -m tests.growing_study FOLDER ADDRESS` prints what happens.

It ends when a job has lost its node.
"""

import sys
from pathlib import Path

from automl import cluster
from automl.cluster import capacity, launcher
from automl.study import Answer, Job, Loss, Measurement
from tests import hosted_cluster, tiny_trainer
from tests.builders import METRIC
from tests.quick_actor import Training
from tests.scripted_source import Jobs

EPOCHS = 400


class Growing(Jobs):
    """Prints epochs, places and losses."""

    def measured(self, number: int, measurement: Measurement, *, node: str) -> Answer:
        print(f"epoch {number} {measurement.epoch}", flush=True)  # noqa: T201
        return super().measured(number, measurement, node=node)

    def resize(self, places: int) -> None:
        print(f"resized {places}", flush=True)  # noqa: T201
        super().resize(places)

    def lost(self, number: int, loss: Loss) -> None:
        print(f"lost {number} {loss.kind}", flush=True)  # noqa: T201
        super().lost(number, loss)
        self.stopping = True


def main(folder: Path, address: str) -> None:
    vars(launcher)["Training"] = Training
    hosted_cluster.join_as_started()
    vars(capacity)["LOOK_SECONDS"] = 1.0
    trainer = tiny_trainer.registered()  # the other one imports torch on each node
    jobs = [
        Job(folder / f"{number}", number, {"lr0": 0.01}, 0, EPOCHS, "m", "d", METRIC, {}, cpus=1.0, trainer=trainer)
        for number in range(2)
    ]
    with cluster.interruptible(), cluster.connected(address=address, log=folder / "ray.log"):
        cluster.run(Growing(jobs, concurrent=1), cluster.Slots(gpus=0, cpus=1, concurrent=1, most=9))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
