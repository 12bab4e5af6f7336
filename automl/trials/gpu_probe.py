"""Probe of a structure on one GPU: trainings of a few batches side by side, on the node that runs this."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from automl.data import staging
from automl.data.identity import Identity
from automl.data.record import DataSet
from automl.storage import scratch
from automl.study import Job
from automl.study.errors import TrialError
from automl.study.packing import Packing, Reading, probe
from automl.trainers import trainer_of
from automl.trainers.device_meter import DeviceMeter, Peak


@dataclass(frozen=True, slots=True)
class Order:
    """What is probed."""

    job: Job
    """A training of the structure, without a data set."""
    data: DataSet
    """A few batches, see `few_batches`."""
    most: int
    """Copies tried at most."""
    cores: float
    """CPU cores that all copies share."""
    cpus: float = 0.0
    """CPU cores of a trial; 0: its part of `cores`."""


def probe_here(order: Order) -> Packing:
    """Probe a structure on the GPU of this process; a failure of a single copy is in `Packing.limit`."""
    with scratch.folder() as folder:
        staged = staging.stage(order.data, folder / "data")
        job = replace(order.job, folder=folder, data=str(staged), gpus=1.0, validate_every=1)
        try:
            meter = trainer_of(job).device_meter()
        except TrialError as error:
            return Packing(1, {}, str(error))
        return probe(lambda copies: side_by_side(order, job, meter, copies), most=order.most, device=meter.name())


def side_by_side(order: Order, job: Job, meter: DeviceMeter, copies: int) -> Reading:
    """Train copies of a job together, and return their total throughput and the peak of the memory in use.

    Raises:
        TrialError: they do not run together.
    """
    threads = max(1, int(order.cpus or order.cores / copies))
    mine = replace(job, folder=job.folder / f"copies{copies}", threads=threads)
    with Peak(meter) as peak:
        timing = trainer_of(job).measure(mine, copies=copies)
    sys.stdout.write(f"{copies} copies: {timing}, {peak.memory:.0%} of the memory\n")
    return Reading(
        images_per_s=copies * timing.batch / timing.train_batch,
        memory=peak.memory,
        val_images_per_s=copies * timing.val_images / timing.val_batch,
        epoch_s=timing.epoch,
    )


def few_batches(data: DataSet, job: Job) -> DataSet:
    """Return a data set of a few batches of a job, sampled evenly from the splits.

    A validation batch is twice as large. It contains nothing but those images, so that it can be sent to a node.
    """
    trainer = trainer_of(job)
    batch = trainer.batch_size(job)
    wanted = {"train": batch * trainer.TRAIN_BATCHES, "val": 2 * batch * trainer.VAL_BATCHES}
    images = {split: _spread(data.images[split], count) for split, count in wanted.items()}
    texts = {path: data.texts[path] for paths in images.values() for path in paths if path in data.texts}
    return replace(data, images=images, texts=texts, listed={}, places=(), identity=Identity(), evidence=None)


def _spread(images: Sequence[Path], count: int) -> tuple[Path, ...]:
    return tuple(images[:: max(1, len(images) // count)][:count])
