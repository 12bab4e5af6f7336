"""Job file: reads and writes `params.yaml`, a training's serialised job with a checksum."""

from pathlib import Path

from automl.storage import files
from automl.storage.layout import PARAMS
from automl.study import Job, checksum
from automl.study.errors import AutomlError, StudyError
from automl.study.yaml_io import dump_yaml, read_yaml


def write(job: Job) -> None:
    """Write a job file into the job's folder."""
    files.write_text(job.folder / PARAMS, checksum.seal(dump_yaml(job.to_dict())))


def read(folder: Path) -> Job:
    """Read the job file of a folder.

    Raises:
        AutomlError: it is missing or damaged.
    """
    path = folder / PARAMS
    plain = read_yaml(path)
    try:
        if checksum.damaged(path.read_text(encoding="utf-8")):
            raise ValueError("its checksum is wrong")
        return Job.from_dict(plain)
    except (LookupError, TypeError, ValueError) as error:
        raise StudyError(
            f"{path}: must be the job file of a training, but {error}; `automl resume` rewrites those of a study"
        ) from None


def repair(job: Job) -> bool:
    """Rewrite a missing or damaged job file; return True if it did."""
    if not job.folder.is_dir():
        return False
    try:
        read(job.folder)
    except AutomlError:
        write(job)
        return True
    return False
