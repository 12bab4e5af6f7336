"""Run a single function on a node, with the resources of a trial."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from automl.cluster import capacity
from automl.cluster.resources import Slots
from automl.storage import local_disk
from automl.storage.outage import RetrySettings, retries_enabled
from automl.study.errors import ExportError
from automl.study.text import duration

LOG: Final = logging.getLogger(__name__)
Result = TypeVar("Result")

LOOK_SECONDS: Final = 60.0
NEWS_SECONDS: Final = 300.0
SHARE: Final = 0.001
"""Of a resource that names a kind of node: it selects the node and excludes nobody, as Ray's accelerator types do."""


def call(work: Callable[..., Result], arguments: tuple[Any, ...], resources: Slots, *, resource: str = "") -> Result:
    """Return the result of `work`, or raise its error; it is retried if the node is lost.

    It gets at most one GPU: a trial alone trains on several. With `resource`, a resource of Ray, it runs on a node that
    has it.
    """
    named, gpus = {resource: SHARE} if resource else {}, min(resources.gpus, 1.0)
    task = ray.remote(num_cpus=resources.cpus, num_gpus=gpus, resources=named, max_retries=3)(_run)
    try:
        with capacity.watched(resources):
            result: Result = ray.get(finished(task.remote(work, arguments)))
    except RayTaskError as error:
        raise error.cause from None
    except RayError as error:
        first = str(error).strip().splitlines()[0]
        lost = f"the worker of export and evaluation was lost: {type(error).__name__}: {first}"
        raise ExportError(local_disk.with_cause(lost)) from None
    return result


def finished(task: "ray.ObjectRef[Any]", clock: Callable[[], float] = time.monotonic) -> "ray.ObjectRef[Any]":
    """Wait until a task has ended; say now and then that it has not, and why it may never start.

    Ray waits without a word where no worker process can be started, as with a full temporary folder.
    """
    begun = said = clock()
    while not ray.wait([task], timeout=LOOK_SECONDS)[0]:
        now = clock()
        text = f"export and evaluation: no result since {duration(now - begun)}; waiting for one"
        if (explained := local_disk.with_cause(text)) != text:
            LOG.warning(explained)
        elif now - said >= NEWS_SECONDS:
            said = now
            LOG.info(text)
    return task


def _run(work: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
    with retries_enabled(RetrySettings()):
        return work(*arguments)
