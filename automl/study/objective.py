"""Objective: the detection rate at a bounded over-kill rate, and limits on what a model costs on a target. Pure.

Latency and size depend on the structure of a model (`structure`), not on its training.
"""

import math
import re
from dataclasses import dataclass
from typing import Final, Literal, Self

UNITS: Final = {"latency_ms": "ms", "end_to_end_ms": "ms", "size_mb": "MB"}
"""Quantities of a constraint: median time of one image in the model itself, and from its bytes to the boxes as JSON, as
`automl serve` computes them; size of the files of the artifact."""
ONNX_TARGET: Final = "onnx"
"""The target that each study has: the ONNX file in ONNX Runtime on a CPU."""
NUMBER: Final = r"(?P<limit>[0-9.eE+-]+)"
QUANTITY: Final = rf"\s*(?P<quantity>{'|'.join(UNITS)})"
ON_TARGET: Final = r"\s+on\s+(?P<target>\S+)\s*"
CONSTRAINT: Final = re.compile(rf"{QUANTITY}\s*<=\s*{NUMBER}{ON_TARGET}")
CONSTRAINT_LAW: Final = f"must be `QUANTITY <= NUMBER on TARGET` with one of {[*UNITS]}"
COST: Final = re.compile(QUANTITY + ON_TARGET)
COST_LAW: Final = f"must be `QUANTITY on TARGET` with one of {[*UNITS]}"


RATE: Final = re.compile(r"(?P<box>box_)?detection_rate_at_(?P<over_kill>[0-9.e-]+)")
COUNTS: Final = ("missed", "defects", "overkilled", "fine")
"""Names of the counts behind a detection rate."""


@dataclass(frozen=True, slots=True)
class RateGoal:
    """The detection rate, one minus the miss rate, at the lowest threshold that holds an over-kill rate.

    It is a metric like any other: its name contains its settings.
    """

    over_kill: float
    per: Literal["image", "box"] = "image"

    @property
    def name(self) -> str:
        """Return the name of the metric.

        >>> RateGoal(0.02).name, RateGoal(0.1, "box").name
        ('detection_rate_at_0.02', 'box_detection_rate_at_0.1')
        """
        return f"{'box_' if self.per == 'box' else ''}detection_rate_at_{self.over_kill:g}"

    @classmethod
    def of(cls, name: str) -> Self | None:
        """Return the goal of a metric; None for other metrics.

        >>> RateGoal.of("detection_rate_at_0.02"), RateGoal.of("map50")
        (RateGoal(over_kill=0.02, per='image'), None)
        """
        found = RATE.fullmatch(name)
        return cls(float(found["over_kill"]), "box" if found["box"] else "image") if found else None


@dataclass(frozen=True, slots=True)
class Cost:
    """A quantity on a target, lower is better."""

    quantity: str
    target: str

    @property
    def text(self) -> str:
        """Return it as in a description."""
        return f"{self.quantity} on {self.target}"

    @classmethod
    def of(cls, text: str) -> Self:
        """Parse the text of a description.

        Raises:
            ValueError: it is none; the message is the law that it breaks.

        >>> Cost.of("latency_ms on cpu")
        Cost(quantity='latency_ms', target='cpu')
        """
        found = COST.fullmatch(text)
        if found is None:
            raise ValueError(COST_LAW)
        return cls(found["quantity"], found["target"])


@dataclass(frozen=True, slots=True)
class Constraint:
    """The most that a model may cost on a target."""

    cost: Cost
    limit: float

    @property
    def text(self) -> str:
        """Return it as in a description."""
        return f"{self.cost.quantity} <= {self.limit:g} on {self.cost.target}"

    @classmethod
    def of(cls, text: str) -> Self:
        """Parse the text of a description.

        Raises:
            ValueError: it is none; the message is the law that it breaks.

        >>> Constraint.of("latency_ms <= 8 on cpu").text
        'latency_ms <= 8 on cpu'
        """
        found = CONSTRAINT.fullmatch(text)
        limit = _number(found["limit"]) if found else math.nan
        if found is None or math.isnan(limit):
            raise ValueError(CONSTRAINT_LAW)
        if not 0 < limit < math.inf:
            raise ValueError("must have a limit above 0")
        return cls(Cost(found["quantity"], found["target"]), limit)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
