"""Resources: how many trials the nodes of a cluster can run, and whether all can write to the study's storage."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from automl.study.errors import StudyError

PROBE_SECONDS: Final = 60
ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Slots:
    """CPU cores and GPUs of each trial, and the number of concurrent trials."""

    gpus: float
    cpus: float
    concurrent: int


def slots(*, gpus: float | str, cpus: float | str, concurrent: int | str) -> Slots:
    """Return the resources of a trial, from those of the nodes.

    Raises:
        StudyError: no node has the resources of a single trial.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    shapes = [(float(node.get("CPU", 0)), float(node.get("GPU", 0))) for node in nodes]
    return slots_of(shapes, gpus=gpus, cpus=cpus, concurrent=concurrent)


def slots_of(
    shapes: Sequence[tuple[float, float]], *, gpus: float | str, cpus: float | str, concurrent: int | str
) -> Slots:
    """Return the resources of a trial from the CPU cores and GPUs of each node, without a cluster.

    Raises:
        StudyError: no node has the resources of a single trial.

    >>> slots_of([(16, 2)], gpus="auto", cpus="auto", concurrent="auto")
    Slots(gpus=1.0, cpus=8.0, concurrent=2)
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
        wanted_cpus = max(1.0, min(cpu // gpu * wanted_gpus for cpu, gpu in shapes if gpu) // 1)
    else:
        wanted_cpus = 1.0
    capacity = sum(_capacity(cpu, gpu, wanted_cpus, wanted_gpus) for cpu, gpu in shapes)
    if not capacity:
        raise StudyError(
            f"resources.cpus: must be at most what one node has, but got {wanted_cpus:g} and the nodes have "
            f"{sorted({cpu for cpu, _ in shapes})}"
        )
    return Slots(wanted_gpus, wanted_cpus, capacity if concurrent == "auto" else min(capacity, int(concurrent)))


def _capacity(cpu: float, gpu: float, wanted_cpu: float, wanted_gpu: float) -> int:
    """Return how many trials fit on a node; a fraction of a GPU never spans two GPUs."""
    by_cpu = int(cpu / wanted_cpu + ROUNDING)
    return min(by_cpu, int(gpu) * int(1 / wanted_gpu + ROUNDING)) if wanted_gpu else by_cpu


def probe(folder: Path) -> None:
    """Check that every node can write into the study's folder and read the driver's files there.

    Raises:
        StudyError: a node cannot; the message names it.
    """
    token = folder / f".probe-{os.getpid()}"
    token.write_text("driver")
    try:
        answers = {
            node["NodeManagerHostname"]: _probe.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(str(token))
            for node in ray.nodes()
            if node["Alive"]
        }
        problems = [f"{name}: {problem}" for name, answer in answers.items() if (problem := _answer(answer))]
    finally:
        for path in folder.glob(f"{token.name}*"):
            path.unlink(missing_ok=True)
    if problems:
        raise StudyError(
            f"{folder}: must be writable from every node, but is not from {'; '.join(problems)}; "
            "pass --storage with a folder that all nodes mount at the same path"
        )


@ray.remote(num_cpus=0, max_retries=0)
def _probe(token: str) -> str:
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
