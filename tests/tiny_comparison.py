"""Comparisons of short trainings by the tiny trainer: of whole curves, which take no time."""

from collections.abc import Sequence
from dataclasses import replace

from automl.study import Job
from automl.study.errors import TrialError
from automl.trainers import Compared, Comparison, Probe

EPOCHS = 3


def unprovable(name: str) -> str:
    return "replaced by its own" if name == "imgsz" else ""


def compare(job: Job, probes: Sequence[Probe], *, images: int, seconds: float) -> Compared:
    """Compare the first epochs; without any time it is a trainer that cannot."""
    del images
    if seconds <= 0:
        raise TrialError("tiny: cannot compare trainings")
    return Compared(tuple(_compared(job, probe) for probe in probes), f"{EPOCHS} epochs of the tiny curve")


def _compared(job: Job, probe: Probe) -> Comparison:
    from tests.tiny_trainer import Curve  # noqa: PLC0415  (it imports this module)

    curves = [Curve.of(replace(job, params=params), None) for params in (probe.reference, *probe.others)]
    ends = {tuple(curve.epoch() for _ in range(EPOCHS)) for curve in curves}
    return Comparison("weights" if len(ends) > 1 else "", EPOCHS)
