"""Resources: how many trials the nodes of a cluster can run, and whether all can write to the study's storage."""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from automl.cluster import node_server
from automl.study.demand import Demand, exceptional
from automl.study.errors import StudyError
from automl.study.spec_parts import MOST, ResourcesSpec

PROBE_SECONDS: Final = 60
ROUNDING: Final = 1e-9
ACCELERATOR: Final = "accelerator_type:"
"""Prefix of the resource by which Ray names the kind of a node's GPUs."""


@dataclass(frozen=True, slots=True)
class Slots:
    """CPU cores and GPUs of each trial, and the number of concurrent trials."""

    gpus: float
    cpus: float
    concurrent: int
    most: int | None = None
    """Maximum of concurrent trials while nodes join and leave; None: their number stays."""
    memory_gb: float = 0.0
    """Main memory of each trial in GB; 0: not counted."""
    others: tuple[Demand, ...] = ()
    """Demands of trials with other resources."""

    @property
    def demands(self) -> tuple[Demand, ...]:
        """Return the demands of all kinds of trials."""
        return (Demand(self.cpus, self.gpus, self.memory_gb), *self.others)

    def places(self, shapes: Sequence[tuple[float, float]]) -> int:
        """Return how many trials fit on nodes of these CPU cores and GPUs, of the kind that fits most often.

        Where trials of several kinds run, Ray lets those wait that do not fit yet. At least 1: a trial that waits makes
        an autoscaler add a node.

        >>> Slots(1, 8, 2, most=9).places([(16, 2), (16, 2)]), Slots(1, 8, 2, most=3).places([(16, 2)] * 9)
        (4, 3)
        """
        if self.most is None:
            return self.concurrent
        found = max(sum(fit(cpu, gpu, one.cpus, one.gpus) for cpu, gpu in shapes) for one in self.demands)
        return max(1, min(found, self.most))

    def wants_more(self, fitted: int) -> bool:
        """Return True if a user asked for more trials at a time than fit: `resources.concurrent` is a larger number.

        >>> Slots(1, 8, 2, most=9).wants_more(4), Slots(1, 8, 2, most=4).wants_more(4), Slots(1, 8, 2).wants_more(4)
        (True, False, False)
        """
        return self.most is not None and fitted < self.most < MOST


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the cluster: its name and what trials may use of it."""

    name: str
    cpus: float
    gpus: float
    kind: str = ""
    """The kind of its GPUs, such as `H100`, as far as Ray knows it."""

    def summary(self) -> str:
        """Return the node as text.

        >>> Node("a", 16, 2, "H100").summary(), Node("b", 4, 0).summary()
        ('a (16 CPU cores, 2 GPUs H100)', 'b (4 CPU cores, no GPU)')
        """
        gpus = f"{self.gpus:g} GPU{'s' * (self.gpus != 1)} {self.kind}".rstrip() if self.gpus else "no GPU"
        return f"{self.name} ({self.cpus:g} CPU core{'s' * (self.cpus != 1)}, {gpus})"


def nodes() -> list[Node]:
    """Return the nodes that are alive, by name."""
    return sorted((_node(node) for node in ray.nodes() if node["Alive"]), key=lambda node: node.name)


def has(resource: str) -> bool:
    """Return True if a living node has a resource of Ray."""
    return any(node["Alive"] and node["Resources"].get(resource) for node in ray.nodes())


def _node(plain: Mapping[str, Any]) -> Node:
    held = plain["Resources"]
    kinds = sorted(name.removeprefix(ACCELERATOR) for name in held if name.startswith(ACCELERATOR))
    return Node(plain["NodeManagerHostname"], float(held.get("CPU", 0)), float(held.get("GPU", 0)), ", ".join(kinds))


def slots(*, gpus: float | str, cpus: float | str, concurrent: int | str) -> Slots:
    """Return the resources of a trial, from those of the nodes.

    Raises:
        StudyError: no node has the resources of a single trial.
    """
    shapes = [(node.cpus, node.gpus) for node in nodes()]
    return slots_of(shapes, gpus=gpus, cpus=cpus, concurrent=concurrent)


def slots_for(resources: ResourcesSpec) -> Slots:
    """Return the resources of the trials of a description, from those of the nodes.

    Raises:
        StudyError: no node has the resources of a single trial, or of one with other resources.
    """
    usual = slots(gpus=resources.gpus, cpus=resources.cpus, concurrent=resources.concurrent)
    memory = resources.memory_gb or 0.0
    others = exceptional(resources, usual=Demand(usual.cpus, usual.gpus, memory))
    shapes = [(node.cpus, node.gpus) for node in nodes()]
    for number, one in enumerate(others):
        if not any(fit(cpu, gpu, one.cpus, one.gpus) for cpu, gpu in shapes):
            raise StudyError(
                f"resources.exceptions.{number}: must be at most what one node has, but got {one.text} and the nodes "
                f"have {shapes} (CPU cores, GPUs); lower it, or add a node"
            )
    wanted = replace(usual, memory_gb=memory, others=others)
    return replace(wanted, concurrent=wanted.places(shapes))


def slots_of(
    shapes: Sequence[tuple[float, float]], *, gpus: float | str, cpus: float | str, concurrent: int | str
) -> Slots:
    """Return the resources of a trial from the CPU cores and GPUs of each node, without a cluster.

    Raises:
        StudyError: no node has the resources of a single trial.

    >>> slots_of([(16, 2)], gpus="auto", cpus="auto", concurrent="auto")
    Slots(gpus=1.0, cpus=8.0, concurrent=2, most=1000000, memory_gb=0.0, others=())
    >>> slots_of([(16, 4), (4, 1)], gpus=2, cpus="auto", concurrent="auto").cpus
    8.0
    """
    most_gpus = max(gpu for _, gpu in shapes)
    wanted_gpus = (1.0 if most_gpus else 0.0) if gpus == "auto" else float(gpus)
    if wanted_gpus > most_gpus:
        raise StudyError(
            f"resources.gpus: must be at most what one node has, but got {wanted_gpus:g} and the largest of "
            f"{len(shapes)} nodes has {most_gpus:g}; set resources.gpus or add a node"
        )
    if cpus != "auto":
        wanted_cpus = float(cpus)
    elif wanted_gpus:
        wanted_cpus = max(1.0, min(cpu // gpu * wanted_gpus for cpu, gpu in shapes if gpu >= max(wanted_gpus, 1)) // 1)
    else:
        wanted_cpus = 1.0
    capacity = sum(fit(cpu, gpu, wanted_cpus, wanted_gpus) for cpu, gpu in shapes)
    if not capacity:
        raise StudyError(
            f"resources.cpus: must be at most what one node has, but got {wanted_cpus:g} and the nodes have "
            f"{sorted({cpu for cpu, _ in shapes})}"
        )
    most = MOST if concurrent == "auto" else int(concurrent)
    return Slots(wanted_gpus, wanted_cpus, min(capacity, most), most)


def fit(cpu: float, gpu: float, wanted_cpu: float, wanted_gpu: float) -> int:
    """Return how many trials fit on a node of these CPU cores and GPUs; a fraction of a GPU never spans two GPUs.

    >>> fit(16, 4, 2, 0.5), fit(16, 5, 2, 2), fit(16, 1, 2, 2), fit(16, 0, 2, 0)
    (8, 2, 0, 8)
    """
    by_cpu = int(cpu / wanted_cpu + ROUNDING)
    if not wanted_gpu:
        return by_cpu
    return min(by_cpu, int(gpu) * int(1 / wanted_gpu + ROUNDING) if wanted_gpu <= 1 else int(gpu / wanted_gpu))


def probe(folder: Path, *, trainer: str = "") -> None:
    """Check that every node can write into the study's folder and read the driver's files there.

    A node that is lost meanwhile is none: trials go to the others. Nodes with CPU cores begin to import what
    trainings with a `trainer` use.

    Raises:
        StudyError: a node cannot; the message names it.
    """
    token = folder / f".probe-{os.getpid()}"
    token.write_text("driver")
    try:
        asked = [(node, _asked(node, token, trainer)) for node in ray.nodes() if node["Alive"]]
        problems = [
            f"{node['NodeManagerHostname']}: {problem}"
            for node, answer in asked
            if (problem := _answer(answer)) and _is_alive(node["NodeID"])
        ]
    finally:
        for path in folder.glob(f"{token.name}*"):
            path.unlink(missing_ok=True)
    if problems:
        raise StudyError(
            f"{folder}: must be writable from every node, but is not from {'; '.join(problems)}; "
            "pass --storage with a folder that all nodes mount at the same path"
        )


def _asked(node: Mapping[str, Any], token: Path, trainer: str) -> Any:  # noqa: ANN401  (a reference of Ray's)
    on_it = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    return _probe.options(scheduling_strategy=on_it).remote(str(token), trainer if node["Resources"].get("CPU") else "")


def _is_alive(wanted: str) -> bool:
    return any(node["Alive"] and node["NodeID"] == wanted for node in ray.nodes())


@ray.remote(num_cpus=0, max_retries=0)
def _probe(token: str, trainer: str) -> str:
    if trainer:
        node_server.warm(trainer)
    return _problem(Path(token))


def _problem(path: Path) -> str:
    """Return why a node cannot use the driver's folder, empty if it can."""
    try:
        if path.read_text() != "driver":
            return "has another folder at that path"
        path.with_name(f"{path.name}-{socket.gethostname()}").write_text("worker")
    except OSError as error:
        return str(error.strerror)
    return ""


def _answer(reference: Any) -> str:  # noqa: ANN401
    try:
        return str(ray.get(reference, timeout=PROBE_SECONDS))
    except ray.exceptions.RayError as error:
        cause = str(getattr(error, "cause", None) or error).strip().splitlines()
        return f"no answer: {type(error).__name__}: {cause[0] if cause else ''}"
