"""Job file: reads and writes `params.yaml`, a training's serialised job with a checksum."""

from pathlib import Path

from automl.storage import files, records
from automl.storage.layout import PARAMS
from automl.study import Job, checksum
from automl.study.errors import AutomlError
from automl.study.plain_values import well_typed
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
    remedy = "`automl resume` rewrites those of a study"
    with records.reading(path, kind="the job file of a training", remedy=remedy):
        plain = read_yaml(path)
        if checksum.damaged(path.read_text(encoding="utf-8")):
            raise ValueError("its checksum is wrong")
        return well_typed(Job.from_dict(plain))


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


def is_of_another(job: Job) -> bool:
    """Return True if a folder contains the job file of a training of other params or another seed.

    Such a folder is left where a journal was restored from a copy that is older than the folder. Files are compared by
    their names, since a storage may be mounted elsewhere.
    """
    try:
        there = read(job.folder)
    except AutomlError:
        return False
    return (there.seed, _by_name(there)) != (job.seed, _by_name(job))


def _by_name(job: Job) -> dict[str, object]:
    return {name: Path(value).name if isinstance(value, str) else value for name, value in job.params.items()}
