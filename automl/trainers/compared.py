"""Records of a bitwise comparison of short trainings, see `protocol.Proof`."""

from dataclasses import dataclass

from automl.study import Params


@dataclass(frozen=True, slots=True)
class Probe:
    """Params that should give different trainings: some, and the same with other values of one parameter."""

    reference: Params
    others: tuple[Params, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a bitwise comparison of the trainings of a probe showed."""

    differs: str = ""
    """What differed first, `input` or `weights`; empty where nothing did."""
    batches: int = 0
    """Batches that were compared, up to the one that differed."""
    problem: str = ""
    """Why the comparison was not finished; it then shows nothing."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Comparisons in the order of the probes, and what was trained for them."""

    comparisons: tuple[Comparison, ...]
    how: str
    """Model, image size, batch, images and epochs, in words."""
