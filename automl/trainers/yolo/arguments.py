"""Training arguments that Ultralytics gets for a job."""

from pathlib import Path
from typing import Any, Final

from automl.study import Job

IMAGE_SIZE: Final = 640
BATCH: Final = 16


def overrides(job: Job, scratch: Path) -> dict[str, Any]:
    """Return all arguments of Ultralytics for a job: fixed settings, then params, then those that the program sets.

    The test split is not among them: a trainer validates on the split it is given, and picks `best.pt` by that.
    """
    on_gpu = job.gpus > 0
    ours = {
        "data": job.data,
        "epochs": job.epochs,
        "seed": job.seed,
        "device": 0 if on_gpu else "cpu",
        "workers": min(8, job.threads) if on_gpu else 0,
        "save_dir": str(scratch),
        "exist_ok": True,
        "patience": 0,
        "plots": False,
    }
    return {"imgsz": IMAGE_SIZE, "batch": BATCH, "model": job.model, **job.settings, **job.params, **ours}


def training_overrides(job: Job, scratch: Path) -> dict[str, Any]:
    """Return the arguments of a job's training: those of `overrides`, on all its GPUs; each has loaders of its own."""
    wanted, count = overrides(job, scratch), processes(job)
    if count == 1:
        return wanted
    return wanted | {"device": ",".join(map(str, range(count))), "workers": min(8, threads(job))}


def processes(job: Job) -> int:
    """Return the number of processes of a training: one for each GPU."""
    return max(1, int(job.gpus))


def threads(job: Job) -> int:
    """Return the CPU threads of each process of a training."""
    return max(1, job.threads // processes(job))


def image_size(job: Job) -> int:
    """Return the edge of the square model input of a job, in pixels."""
    return int(overrides(job, job.folder)["imgsz"])


def batch_size(job: Job) -> int:
    """Return the training batch size of a job, in images."""
    return int(overrides(job, job.folder)["batch"])
