"""Record of the environment that a training runs in: `environment.json` in the training's folder.

Written by the worker, since the nodes of a cluster may differ from the machine of the driver.
"""

from pathlib import Path

from automl.storage import environment, records
from automl.storage.layout import ENVIRONMENT
from automl.study import Job
from automl.study.environment import Environment


def record(job: Job) -> None:
    """Write the environment of this process into a job's folder."""
    records.write_json(job.folder / ENVIRONMENT, environment.present(gpu=job.gpus > 0).to_dict())


def read(folder: Path) -> Environment | None:
    """Return the environment in a training's folder; None where an earlier version trained.

    Raises:
        RecordError: the file is damaged.
    """
    path, kind, remedy = folder / ENVIRONMENT, "the environment of a training", "restore it from a copy, or remove it"
    if not path.exists():
        return None
    plain = records.read_json(path, kind=kind, remedy=remedy)
    with records.reading(path, kind=kind, remedy=remedy):
        return Environment.from_dict(plain)
