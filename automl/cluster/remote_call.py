"""Run a single function on a node, with the resources of a trial."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from automl.cluster import capacity
from automl.cluster.resources import Slots
from automl.storage import local_disk
from automl.storage.outage import RetrySettings, retries_enabled
from automl.study.errors import ExportError

Result = TypeVar("Result")


SHARE: Final = 0.001
"""Of a resource that names a kind of node: it selects the node and excludes nobody, as Ray's accelerator types do."""


def call(work: Callable[..., Result], arguments: tuple[Any, ...], resources: Slots, *, resource: str = "") -> Result:
    """Return the result of `work`, or raise its error; it is retried if the node is lost.

    With `resource`, a resource of Ray, it runs on a node that has it.
    """
    named = {resource: SHARE} if resource else {}
    task = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, resources=named, max_retries=3)(_run)
    try:
        with capacity.watched(resources):
            result: Result = ray.get(task.remote(work, arguments))
    except RayTaskError as error:
        raise error.cause from None
    except RayError as error:
        first = str(error).strip().splitlines()[0]
        lost = f"the worker of export and evaluation was lost: {type(error).__name__}: {first}"
        raise ExportError(local_disk.with_cause(lost)) from None
    return result


def _run(work: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
    with retries_enabled(RetrySettings()):
        return work(*arguments)
