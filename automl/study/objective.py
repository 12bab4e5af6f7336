"""Constraints of an objective: limits on what a model costs on a target, whatever its weights. Pure.

Latency and size depend on the structure of a model (`structure`), not on its training.
"""

import math
import re
from dataclasses import dataclass
from typing import Final, Self

UNITS: Final = {"latency_ms": "ms", "size_mb": "MB"}
"""Quantities of a constraint: median time of one image in the model itself, and size of the files of the artifact."""
ONNX_TARGET: Final = "onnx"
"""The target that each study has: the ONNX file in ONNX Runtime on a CPU."""
NUMBER: Final = r"(?P<limit>[0-9.eE+-]+)"
CONSTRAINT: Final = re.compile(rf"\s*(?P<quantity>{'|'.join(UNITS)})\s*<=\s*{NUMBER}\s+on\s+(?P<target>\S+)\s*")
CONSTRAINT_LAW: Final = "must be `latency_ms <= NUMBER on TARGET` or `size_mb <= NUMBER on TARGET`"


@dataclass(frozen=True, slots=True)
class Cost:
    """A quantity on a target, lower is better."""

    quantity: str
    target: str

    @property
    def text(self) -> str:
        """Return it as in a description."""
        return f"{self.quantity} on {self.target}"


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
