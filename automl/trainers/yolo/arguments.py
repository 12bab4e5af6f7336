"""Arguments of a training: what Ultralytics is passed for a job."""

from pathlib import Path
from typing import Any, Final

from automl.study import Job

IMAGE_SIZE: Final = 640
BATCH: Final = 16


def overrides(job: Job, scratch: Path) -> dict[str, Any]:
    """Return all that is passed to Ultralytics for a job: fixed settings, then params, then what is ours to set.

    The judged split is not among them: a trainer validates on the split it is told, and picks `best.pt` by that.
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


def image_size(job: Job) -> int:
    """Return the edge of the square, in pixels, that a job's model takes."""
    return int(overrides(job, job.folder)["imgsz"])


def batch_size(job: Job) -> int:
    """Return how many images a training batch of a job holds."""
    return int(overrides(job, job.folder)["batch"])
