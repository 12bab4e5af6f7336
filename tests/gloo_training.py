"""One of the ranks of a training of YOLO on CPU, which torch elastic starts and gloo joins.

Ultralytics trains in several processes on GPUs alone. What differs here: the process group is gloo's, the wrapper gets
no device, a mean is a sum divided by the number of ranks, and the last evaluation, which takes a GPU, is left out.
"""

import json
import sys
from pathlib import Path
from typing import Any

from torch import distributed, nn

from automl.storage import curves_file
from automl.storage.epoch_details import EpochDetails
from automl.study import Job, Measurement
from automl.trainers import yolo
from automl.trials.checkpoints import Folder

reduce = distributed.reduce


class OnCpu(nn.parallel.DistributedDataParallel):  # type: ignore[misc]
    """The wrapper of a model that is on no device."""

    def __init__(self, module: Any, *, device_ids: Any, **more: Any) -> None:
        del device_ids
        super().__init__(module, **more)


def mean_at(tensor: Any, dst: int, op: Any) -> None:
    assert op == distributed.ReduceOp.AVG
    reduce(tensor, dst=dst)
    tensor /= distributed.get_world_size()


def train(job: Job, scratch: Path) -> None:
    """Train a job, and write each epoch as a worker does; note the rank that wrote it."""
    yolo.settings()  # shuts the doors before Ultralytics is imported
    from automl.trainers.yolo import trainer_class  # noqa: PLC0415
    from automl.trainers.yolo.trainer_class import StudyTrainer  # noqa: PLC0415

    class GlooTrainer(StudyTrainer):
        """The trainer of a study, on several processes of a CPU."""

        def _setup_train(self) -> None:
            self.world_size = distributed.get_world_size()
            super()._setup_train()

        def final_eval(self) -> None:
            """Leave out what needs a GPU."""

    vars(trainer_class)["StudyTrainer"] = GlooTrainer
    rank, curves, folder = distributed.get_rank(), list[Measurement](), Folder(job)

    def on_epoch(measurement: Measurement, weights: Path, state: Path, shown: EpochDetails) -> None:
        del weights
        curves.append(measurement)
        curves_file.write_curves(job.folder, curves)
        folder.show(measurement.epoch, shown)
        folder.save_state(state)
        with (job.folder / "writers.txt").open("a") as file:
            file.write(f"{rank} {measurement.epoch}\n")

    yolo.train(job, scratch, state=None, on_epoch=on_epoch)
    distributed.barrier()


if __name__ == "__main__":
    distributed.init_process_group("gloo")
    vars(nn.parallel)["DistributedDataParallel"] = OnCpu
    vars(distributed)["reduce"] = mean_at
    train(Job.from_dict(json.loads(Path(sys.argv[1]).read_text())), Path(sys.argv[2]))
    distributed.destroy_process_group()
