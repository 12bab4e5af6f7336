"""What the trials of a study use of the machines, and what this machine lacks of it."""

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

from automl.study import structure
from automl.study.packing import MOST
from automl.study.resource_laws import several_gpus
from automl.study.space import SearchSpace
from automl.study.space_spec import ChoiceSpec
from automl.study.spec import StudySpec
from automl.study.spec_parts import ResourcesSpec
from automl.trainers import trainer_of


def warnings(resources: ResourcesSpec) -> Iterator[str]:
    """Yield a line if trials need more GPUs than this machine has."""
    gpus = resources.gpus
    if gpus != "auto" and ceil(gpus) > (here := trainer_of().gpu_count()):
        what = f"only {here} of them" if here else "no CUDA GPU"
        yield (
            f"resources.gpus: {gpus:g} per trial, but this machine has {what}: a search on it fails; "
            "submit it to a cluster with GPUs, or set resources.gpus=auto"
        )


def several(spec: StudySpec) -> Iterator[str]:
    """Yield a line for each kind of trials that has several GPUs."""
    for key, count in several_gpus(spec.resources).items():
        batches = ", ".join(f"{batch // count} of {batch}" for batch in _batches(spec.space, spec.train))
        yield f"{key}: a trial uses {count} GPUs of one node, a process each, with {batches} images of a batch"


def packing(resources: ResourcesSpec, space: SearchSpace) -> Iterator[str]:
    """Yield a line on how the trials share GPUs, with `resources.gpus: auto`."""
    if resources.gpus != "auto":
        return
    own = [one for one in resources.exceptions if one.gpus is not None]
    found = structure.assignments(space, structure.TRAINED)
    count = sum(not any(one.applies(params) for one in own) for params in found)
    what = f"{count} structure{'s' if count != 1 else ''} (model, image size, batch)"
    if trainer_of().gpu_count():
        yield f"resources.gpus: auto: a probe of {what} finds before the first trial how many share a GPU: up to {MOST}"
        return
    yield (
        "resources.gpus: auto: this machine has no CUDA GPU, so trials here use the CPU; on a cluster with GPUs "
        f"a probe of {what} finds before the first trial how many share a GPU: up to {MOST}"
    )


def _batches(space: Mapping[str, object], train: Mapping[str, Any]) -> list[int]:
    part = space.get("batch")
    given = part.choices if isinstance(part, ChoiceSpec) else [train.get("batch", trainer_of().BATCH)]
    return sorted(batch for batch in given if isinstance(batch, int))
