"""Targets on the nodes that have their device: the node with a resource of Ray builds and measures an artifact."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from automl import cluster
from automl.release import footprint, targets
from automl.release.formats import FORMATS
from automl.study import Footprint, Job, Target, TargetResult
from automl.study.errors import StudyError
from automl.study.objective import ONNX_TARGET
from automl.trials import data_mount

LOG = logging.getLogger(__name__)
GPU: Final = "GPU"
ANY: Final = ("", False)


def warn(wanted: Iterable[Target]) -> None:
    """Log the targets whose device no node has yet: their artifacts are built at the end."""
    for target in wanted:
        if lacking := _lacking(target):
            LOG.warning(f"target {target.name}: {lacking} before the search ends")


def _lacking(target: Target) -> str:
    """Return what no node has yet of what a target needs, with the remedy; empty if nothing."""
    if target.resource and not cluster.has(target.resource):
        return absent(target)
    if FORMATS[target.format].NEEDS_GPU and not cluster.has(GPU):
        return (
            f"no node has a CUDA GPU, which an engine of targets.{target.name} is built on; add one, or set "
            f"targets.{target.name}.format=onnx and build the engine on its device (automl device-kit),"
        )
    return ""


def absent(target: Target) -> str:
    """Return what is missing for a target with a resource, with the remedy."""
    return (
        f"no node has the resource {target.resource} of targets.{target.name}.resource; add one, such as "
        f"`ray start --address=... --resources '{{\"{target.resource}\": 1}}'`,"
    )


def build(order: targets.Order, wanted: Sequence[Target], slots: cluster.Slots) -> tuple[TargetResult, ...]:
    """Build and measure the artifacts of all targets, each on a node that has its device.

    A target whose device no node has gets a result without an artifact, which says so.
    """
    lacking = {one.name: said for one in wanted if (said := _lacking(one))}
    found = {
        one.name: TargetResult(one, None, note=f"{lacking[one.name]} and start the study again")
        for one in wanted if one.name in lacking
    }  # fmt: skip
    for (resource, gpu), group in _by_place(one for one in wanted if one.name not in lacking).items():
        job = replace(order.job, gpus=float(gpu)) if resource or gpu else order.job
        arguments, there = (replace(order, job=job), tuple(group)), _slots(slots, resource, gpu=gpu)
        built: tuple[TargetResult, ...] = data_mount.retried(
            lambda there=there, arguments=arguments, resource=resource: cluster.call(  # type: ignore[misc]
                targets.build_all, arguments, there, resource=resource
            ),
            job.data, who="the evaluation",
        )  # fmt: skip
        found |= {one.target.name: one for one in built}
    return tuple(found[target.name] for target in wanted)


def measure(
    job: Job, wanted: Sequence[Target], names: Collection[str], pictures: Sequence[Path], slots: cluster.Slots
) -> Mapping[str, Footprint]:
    """Return the footprint of a job's untrained model on the targets that are named, each on a node with its device.

    Raises:
        StudyError: no node has the device of a target.
        ExportError: the model cannot be measured.
    """
    found: dict[str, Footprint] = {}
    named = [target for target in wanted if target.name in names]
    if lacking := next(filter(None, map(_lacking, named)), ""):
        raise StudyError(f"{lacking} since the objective names this target")
    places = _by_place(named)
    if ONNX_TARGET in names:
        places.setdefault(ANY, [])
    for (resource, gpu), group in places.items():
        own = {target.name for target in group} | ({ONNX_TARGET} & {*names} if (resource, gpu) == ANY else set())
        there = replace(job, gpus=float(gpu)) if resource or gpu else job
        arguments = (there, tuple(group), own, pictures)
        found |= cluster.call(footprint.measure, arguments, _slots(slots, resource, gpu=gpu), resource=resource)
    return found


def _by_place(wanted: Iterable[Target]) -> dict[tuple[str, bool], list[Target]]:
    """Return the targets by the resource that their nodes have, and by whether they need a GPU."""
    groups: dict[tuple[str, bool], list[Target]] = {}
    for target in wanted:
        groups.setdefault((target.resource, FORMATS[target.format].NEEDS_GPU), []).append(target)
    return groups


def _slots(slots: cluster.Slots, resource: str, *, gpu: bool) -> cluster.Slots:
    """Return the resources of the work: those of a trial; on a node chosen for its device one CPU core, and its GPU."""
    return replace(slots, gpus=float(gpu), cpus=1.0, others=()) if resource or gpu else slots
