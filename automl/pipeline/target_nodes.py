"""Targets on the nodes that have their device: the node with a resource of Ray builds and measures an artifact."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from automl import cluster
from automl.release import footprint, targets
from automl.study import Footprint, Job, Target, TargetResult
from automl.study.errors import StudyError
from automl.study.objective import ONNX_TARGET
from automl.trials import data_mount

LOG = logging.getLogger(__name__)


def warn(wanted: Iterable[Target]) -> None:
    """Log the targets whose device no node has yet: their artifacts are built at the end."""
    for target in wanted:
        if target.resource and not cluster.has(target.resource):
            LOG.warning(f"target {target.name}: {absent(target)} before the search ends")


def absent(target: Target) -> str:
    """Return what is missing for a target, with the remedy."""
    return (
        f"no node has the resource {target.resource} of targets.{target.name}.resource; add one, such as "
        f"`ray start --address=... --resources '{{\"{target.resource}\": 1}}'`,"
    )


def build(order: targets.Order, wanted: Sequence[Target], slots: cluster.Slots) -> tuple[TargetResult, ...]:
    """Build and measure the artifacts of all targets, each on a node that has its device.

    A target whose device no node has gets a result without an artifact, which says so.
    """
    found: dict[str, TargetResult] = {}
    for resource, group in _by_resource(wanted).items():
        if resource and not cluster.has(resource):
            found |= {
                one.name: TargetResult(one, None, note=f"{absent(one)} and start the study again") for one in group
            }
            continue
        job = replace(order.job, gpus=0) if resource else order.job
        arguments, there = (replace(order, job=job), tuple(group)), _slots(slots, resource)
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
    for resource, group in _by_resource(named, also=[""] if ONNX_TARGET in names else []).items():
        if resource and not cluster.has(resource):
            raise StudyError(f"{absent(group[0])} since the objective names this target")
        own = {target.name for target in group} | ({ONNX_TARGET} & {*names} if not resource else set())
        there = replace(job, gpus=0) if resource else job
        arguments = (there, tuple(group), own, pictures)
        found |= cluster.call(footprint.measure, arguments, _slots(slots, resource), resource=resource)
    return found


def _by_resource(wanted: Iterable[Target], *, also: Iterable[str] = ()) -> dict[str, list[Target]]:
    groups: dict[str, list[Target]] = {resource: [] for resource in also}
    for target in wanted:
        groups.setdefault(target.resource, []).append(target)
    return groups


def _slots(slots: cluster.Slots, resource: str) -> cluster.Slots:
    """Return the resources of the work: those of a trial, one CPU core on a node that is chosen for its device."""
    return replace(slots, gpus=0.0, cpus=1.0, others=()) if resource else slots
