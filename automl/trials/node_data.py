"""Data set of a job on its node: a copy on the local disk where the job asks for one, see `data/node_copy.py`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from automl.data import node_copy, picture_cache
from automl.data.node_copy import Shelf
from automl.storage import outage
from automl.study import Job
from automl.trainers import trainer_of

AUTO, ALWAYS = "auto", "always"


@contextmanager
def local(job: Job) -> Iterator[Job]:
    """Yield the job with the data set that it is to read, held for a block.

    Raises:
        OSError: the data set cannot be read.
    """
    marker = Path(job.data)
    wanted = job.local_copy == ALWAYS or (job.local_copy == AUTO and node_copy.is_remote(marker))
    cache = picture_cache.default_folder()
    if wanted and cache is None:
        outage.print_line(
            "data: no copy on the local disk, since AUTOML_CACHE is empty; the data set is read where it is"
        )
    if not wanted or cache is None:
        yield job
        return
    shelf = Shelf.of(cache, gb=job.local_copy_gb)
    with shelf.held(marker, prepare=trainer_of(job).scan_labels, say=outage.print_line) as copy:
        yield replace(job, data=str(copy))
