"""Packing stage: with `resources.gpus: auto`, find how many trials of each structure share a GPU.

Each structure (model, image size, batch) is probed once on each kind of GPU, before the first trial and while nothing
else trains. The result is kept in the journal: a study that resumes probes nothing again.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from automl import cluster
from automl.cluster import Node, Slots
from automl.pipeline.search import run_context
from automl.pipeline.session import Session
from automl.study import Params, structure
from automl.study.demand import Demand
from automl.study.packing import MOST, Packing, Shares, TrainingStructure, note_of, probed_in, tightest
from automl.study.space import SearchSpace
from automl.study.spec_parts import ResourcesSpec
from automl.trials import gpu_probe
from automl.trials.jobs import RunContext

LOG: Final = logging.getLogger(__name__)

FOLDER: Final = "probes"
"""Folder that the jobs of probes name; nothing is written there."""


def shared(session: Session, slots: Slots) -> Slots:
    """Return the places of a study whose trials share GPUs as far as probes show; the shares are in the session.

    Unchanged where the description gives the GPUs of a trial, and where no GPU can be shared.
    """
    resources = session.spec.resources
    if resources.gpus != "auto":
        return slots
    nodes = [node for node in cluster.nodes() if node.gpus]
    if not slots.gpus or not nodes:
        LOG.info(
            "resources.gpus: auto: no node has a GPU that trials could share, so they use the CPU; if GPU nodes are to "
            "join, set resources.gpus=1"
        )
        return slots
    cores, most = copies_allowed(resources, nodes)
    if most < 2:
        LOG.info(
            f"resources.gpus: auto: no GPU is shared, since it has {cores:g} CPU cores and a trial needs "
            f"{_cores_of(resources):g} or more, with resources.concurrent {resources.concurrent}"
        )
        return slots
    probes = Probes(session, run_context(session, slots), slots, most)
    packings = {one: probes.packing(one, params, nodes) for one, params in _wanted(probes.context, session).items()}
    session.shares = Shares(packings, {one: _demand(resources, slots, packing) for one, packing in packings.items()})
    for one, packing in packings.items():
        LOG.info(f"packing of {one.name}: {packing.summary}")
    packed = _places(slots, session.shares)
    LOG.info(f"packing: up to {packed.concurrent} trials train at a time")
    return packed


def copies_allowed(resources: ResourcesSpec, nodes: list[Node]) -> tuple[float, int]:
    """Return the CPU cores of each GPU, of the node with the fewest, and how many trials may share it at most."""
    cores = min(node.cpus / node.gpus for node in nodes)
    limit = MOST if resources.concurrent == "auto" else int(resources.concurrent)
    return cores, int(min(MOST, limit, cores // _cores_of(resources)))


def _cores_of(resources: ResourcesSpec) -> float:
    return 1.0 if resources.cpus == "auto" else float(resources.cpus)


def _wanted(context: RunContext, session: Session) -> dict[TrainingStructure, Params]:
    """Return the structures of the trials, with params that have them; those of the description's exceptions not."""
    exceptions = [one for one in context.spec.resources.exceptions if one.gpus is not None]
    return {
        context.structure(params): params
        for params in _params(context.spec.search_space, session)
        if not any(one.applies(params) for one in exceptions)
    }


def _params(space: SearchSpace, session: Session) -> Iterator[Params]:
    """Yield params of each structure of the space, of the baseline and of the portfolio."""
    for assignment in structure.assignments(space, structure.TRAINED):
        params = structure.moved(space, space.defaults(), assignment)
        if not session.allowed or any(structure.has(params, one) for one in session.allowed):
            yield params
    yield from (session.baseline.params,) if session.baseline else ()
    yield from session.portfolio


@dataclass(frozen=True, slots=True)
class Probes:
    """The probes of a study, and what they have in common."""

    session: Session
    context: RunContext
    slots: Slots
    """Places of trials with a whole GPU each."""
    most: int
    """Copies tried at most."""

    def packing(self, one: TrainingStructure, params: Params, nodes: list[Node]) -> Packing:
        """Return the packing of a structure, from the journal or by a probe on each kind of GPU of the nodes."""
        with self.session.journal.interpreted():
            known = probed_in(self.session.journal.notes())
        kinds = sorted({node.kind for node in nodes})
        return tightest([known.get((one, kind)) or self._probed(one, params, kind) for kind in kinds])

    def _probed(self, one: TrainingStructure, params: Params, kind: str) -> Packing:
        """Probe a structure on a kind of GPU, and record the result."""
        session, cpus = self.session, self.context.spec.resources.cpus
        where = f" on {kind}" if kind else ""
        LOG.info(f"packing of {one.name}{where}: 1 to {self.most} trainings are timed side by side")
        job = self.context.job(session.folder / FOLDER, number=0, params=params, seed=session.spec.seed)
        fixed = 0.0 if cpus == "auto" else float(cpus)
        cores = fixed * self.most or self.slots.cpus
        order = gpu_probe.Order(job, gpu_probe.few_batches(session.data, job), self.most, cores, fixed)
        alone = replace(self.slots, gpus=1.0, cpus=cores, memory_gb=0.0, others=())
        place = f"{cluster.ACCELERATOR}{kind}" if kind else ""
        found: Packing = cluster.call(gpu_probe.probe_here, (order,), alone, resource=place)
        if not found.readings:
            LOG.warning(f"packing of {one.name}{where}: {found.summary}")
        session.journal.note(note_of(one, kind), found.to_dict())
        return found


def _demand(resources: ResourcesSpec, slots: Slots, packing: Packing) -> Demand:
    if packing.copies == 1:
        return Demand(slots.cpus, slots.gpus, slots.memory_gb)
    part = cluster.slots(gpus=packing.share, cpus=resources.cpus, concurrent=resources.concurrent)
    return Demand(part.cpus, packing.share, slots.memory_gb)


def _places(slots: Slots, shares: Shares) -> Slots:
    """Return the places with the demands of all structures."""
    demands = dict.fromkeys((*slots.others, *shares.demands.values()))
    packed = replace(slots, others=tuple(demands))
    return replace(packed, concurrent=packed.places([(node.cpus, node.gpus) for node in cluster.nodes()]))
