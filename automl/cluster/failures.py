"""What took a trial from its worker, as far as Ray and the node can tell."""

from pathlib import Path
from typing import Any, Final

import ray
from ray import cloudpickle
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    GetTimeoutError,
    NodeDiedError,
    OutOfMemoryError,
    RayError,
)
from ray.tune.experiment import Trial as RayTrial
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from automl.study import Kind, Loss
from automl.trials import heartbeat
from automl.trials.heartbeat import Beat

ASK_SECONDS: Final = 10
"""How long a node may take to say whether its memory ran out."""
NODE: Final = ("node has died", "node was terminated", "The node has been marked dead", "node is dead", "drained")
MEMORY: Final = ("running low on memory", "memory usage threshold")
"""What Ray says where its own monitor ended the process."""


def loss_of(error: Exception | None, folder: Path) -> Loss:
    """Return what took the trial of a folder from its worker, given the error that Ray reports, if any."""
    text = str(error).strip() if error else ""
    beat = heartbeat.heard(folder)
    told = f"{type(error).__name__}: {text.splitlines()[0]}" if text else "no reason given"
    return Loss(_kind(error, text, beat), told, node=beat.node if beat else "")


def error_of(trial: RayTrial) -> Exception | None:
    """Return the error that took a trial from its worker, as this process wrote it down a moment ago.

    `Trial.get_pickled_error` would look in the storage, where it is copied at the end of the run only.
    """
    path = trial.pickled_error_file if trial.run_metadata.pickled_error_filename else None
    if not path or not Path(path).is_file():
        return None
    with Path(path).open("rb") as file:
        error: Exception = cloudpickle.load(file)
    return error


def end(actor: Any) -> None:  # noqa: ANN401
    """End the process of an actor that may not answer."""
    if actor is not None:
        ray.kill(actor)


def _kind(error: Exception | None, text: str, beat: Beat | None) -> Kind:
    if isinstance(error, OutOfMemoryError) or any(words in text for words in MEMORY):
        return Kind.MEMORY
    preempted = isinstance(error, ActorDiedError) and error.preempted
    # One that cannot be reached while nobody has reported its death: a killed node looks like that for a while.
    if isinstance(error, NodeDiedError | ActorUnavailableError) or preempted or any(words in text for words in NODE):
        return Kind.NODE
    return Kind.MEMORY if beat and _ran_out(beat) else Kind.WORKER


def _ran_out(beat: Beat) -> bool:
    """Ask the node whether its kernel ended a process for want of memory since the worker was last heard."""
    nodes = [node for node in ray.nodes() if node["Alive"] and node["NodeManagerHostname"] == beat.node]
    if not nodes:
        return False
    there = NodeAffinitySchedulingStrategy(nodes[0]["NodeID"], soft=False)
    task = ray.remote(num_cpus=0, max_retries=0)(heartbeat.kills)
    try:
        found: int = ray.get(task.options(scheduling_strategy=there).remote(beat.memory), timeout=ASK_SECONDS)
    except (RayError, GetTimeoutError):
        return False
    return found > beat.kills
