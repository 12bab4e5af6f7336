"""Classification of lost workers: node, process or memory, from Ray's error and the node's state."""

import socket
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

from automl.storage import local_disk
from automl.study import Kind, Loss
from automl.trials import heartbeat
from automl.trials.heartbeat import Beat

QUERY_SECONDS: Final = 10
"""Timeout in seconds of the query of a node's out-of-memory kills."""
NODE: Final = ("node has died", "node was terminated", "The node has been marked dead", "node is dead", "drained")
MEMORY: Final = ("running low on memory", "memory usage threshold")
"""Phrases of Ray's message if its memory monitor ended the process."""


def loss_of(error: Exception | None, folder: Path) -> Loss:
    """Return the loss of the trial in a folder, given Ray's error, if any."""
    text = str(error).strip() if error else ""
    beat = heartbeat.read(folder)
    cause = f"{type(error).__name__}: {text.splitlines()[0]}" if text else "no reason given"
    if beat and beat.node == socket.gethostname():
        cause = local_disk.with_cause(cause)
    return Loss(_kind(error, text, beat), cause, node=beat.node if beat else "")


def error_of(trial: RayTrial) -> Exception | None:
    """Return the error with which a trial lost its worker, from this process's own file.

    `Trial.get_pickled_error` reads the storage, to which the error is copied only at the end of the run.
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
    # Unreachable, but not yet reported dead: a killed node is in this state for a while.
    if isinstance(error, NodeDiedError | ActorUnavailableError) or preempted or any(words in text for words in NODE):
        return Kind.NODE
    return Kind.MEMORY if beat and _ran_out(beat) else Kind.WORKER


def _ran_out(beat: Beat) -> bool:
    """Return True if the node's kernel counts an out-of-memory kill since the worker's last heartbeat."""
    nodes = [node for node in ray.nodes() if node["Alive"] and node["NodeManagerHostname"] == beat.node]
    if not nodes:
        return False
    there = NodeAffinitySchedulingStrategy(nodes[0]["NodeID"], soft=False)
    task = ray.remote(num_cpus=0, max_retries=0)(heartbeat.kills)
    try:
        found: int = ray.get(task.options(scheduling_strategy=there).remote(beat.memory), timeout=QUERY_SECONDS)
    except (RayError, GetTimeoutError):
        return False
    return found > beat.kills
