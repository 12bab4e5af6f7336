"""Runs a single piece of work on a node that holds what a trial holds."""

from collections.abc import Callable
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from automl.cluster.resources import Slots
from automl.storage.outage import Patience, held
from automl.study.errors import ExportError

Result = TypeVar("Result")


def call(work: Callable[..., Result], arguments: tuple[Any, ...], resources: Slots) -> Result:
    """Return what `work` returns, or raise what it raises; a lost node makes it start again."""
    task = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=3)(_run)
    try:
        result: Result = ray.get(task.remote(work, arguments))
    except RayTaskError as error:
        raise error.cause from None
    except RayError as error:
        first = str(error).strip().splitlines()[0]
        raise ExportError(f"the worker that exports and measures was lost: {type(error).__name__}: {first}") from None
    return result


def _run(work: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
    with held(Patience()):
        return work(*arguments)
