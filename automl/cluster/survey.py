"""Survey of the nodes: one small task on each of them returns its facts, its clock and whether it sees the storage."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from automl.storage.node_facts import NodeFacts, facts

SECONDS: Final = 60.0
DRIVER_TEXT: Final = "driver"


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A node: its facts, or why it did not answer."""

    name: str
    gpus: float
    """GPUs that Ray counts there."""
    facts: NodeFacts | None
    skew: float
    """Seconds that its clock differs from the driver's beyond the time of the answer; 0 within that."""
    problem: str


def survey(storage: Path, wanted: Sequence[str] = ()) -> list[Surveyed]:
    """Return what each living node says, by name; this process must be connected."""
    token = storage / f".doctor-{os.getpid()}"
    try:
        token.write_text(DRIVER_TEXT, encoding="utf-8")
    except OSError:
        token = Path()  # the driver's own row says that it cannot write
    try:
        living = sorted((node for node in ray.nodes() if node["Alive"]), key=lambda node: str(node["NodeID"]))
        ports = [ray.get_runtime_context().gcs_address, *(port for node in living for port in _ports(node))]
        found = [_asked(node, storage, token, (wanted, ports)) for node in living]
    finally:
        if token.name:
            token.unlink(missing_ok=True)
    return sorted(found, key=lambda one: one.name)


def _ports(node: Any) -> list[str]:  # noqa: ANN401
    """Return the addresses of a node's raylet and object store, which the other nodes talk to."""
    return [f"{node['NodeManagerAddress']}:{node[kind]}" for kind in ("NodeManagerPort", "ObjectManagerPort")]


def _asked(
    node: Any,  # noqa: ANN401
    storage: Path,
    token: Path,
    wanted: tuple[Sequence[str], Sequence[str]],
) -> Surveyed:
    name, gpus = str(node["NodeManagerHostname"]), float(node["Resources"].get("GPU", 0))
    where = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    task = _look.options(scheduling_strategy=where)
    try:
        ray.get(task.remote(name, storage, token, ((), ())), timeout=SECONDS)  # its process starts, with its imports
        began = time.time()
        facts, problem = ray.get(task.remote(name, storage, token, wanted), timeout=SECONDS)
        ended = time.time()
    except ray.exceptions.RayError as error:
        return Surveyed(name, gpus, None, 0.0, f"no answer: {type(error).__name__}")
    off = facts.at - (began + ended) / 2
    return Surveyed(name, gpus, facts, max(0.0, abs(off) - (ended - began) / 2), problem)


@ray.remote(num_cpus=0, max_retries=0)
def _look(name: str, storage: Path, token: Path, wanted: tuple[Sequence[str], Sequence[str]]) -> tuple[NodeFacts, str]:
    problem = ""
    if token.name:
        try:
            same = token.read_text(encoding="utf-8") == DRIVER_TEXT
            problem = "" if same else "another folder is mounted at that path"
        except OSError as error:
            problem = f"does not see the driver's file there: {error.strerror}"
    files, ports = wanted
    return facts(name, storage, files, ports), problem
