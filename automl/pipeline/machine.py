"""What the trials of a study use of the machines, and what this machine lacks of it."""

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

from automl.study.resource_laws import several_gpus
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


def _batches(space: Mapping[str, object], train: Mapping[str, Any]) -> list[int]:
    part = space.get("batch")
    given = part.choices if isinstance(part, ChoiceSpec) else [train.get("batch", trainer_of().BATCH)]
    return sorted(batch for batch in given if isinstance(batch, int))
