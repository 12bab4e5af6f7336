"""Demand of a trial: the resources that it needs while it runs, by its params."""

from dataclasses import dataclass

from automl.study.spec_parts import ExceptionSpec, ResourcesSpec
from automl.study.trial import Params


@dataclass(frozen=True, slots=True)
class Demand:
    """CPU cores, GPUs and main memory."""

    cpus: float
    gpus: float
    memory_gb: float = 0.0
    """GB (10^9 bytes); 0: not counted."""

    @property
    def text(self) -> str:
        """Return the demand as text.

        >>> Demand(2, 0.5).text, Demand(1, 0, 4).text
        ('2 CPU cores, 0.5 GPUs', '1 CPU cores, 0 GPUs, 4 GB of memory')
        """
        memory = f", {self.memory_gb:g} GB of memory" if self.memory_gb else ""
        return f"{self.cpus:g} CPU cores, {self.gpus:g} GPUs{memory}"


def demand_of(resources: ResourcesSpec, params: Params, *, usual: Demand) -> Demand:
    """Return the demand of a trial; `usual` is that of a trial without an exception."""
    return next((_except(one, usual) for one in resources.exceptions if one.applies(params)), usual)


def exceptional(resources: ResourcesSpec, *, usual: Demand) -> tuple[Demand, ...]:
    """Return the demands of all exceptions."""
    return tuple(_except(one, usual) for one in resources.exceptions)


def _except(one: ExceptionSpec, usual: Demand) -> Demand:
    return Demand(
        usual.cpus if one.cpus is None else one.cpus,
        usual.gpus if one.gpus is None else one.gpus,
        usual.memory_gb if one.memory_gb is None else one.memory_gb,
    )
