"""GateResult: the result of one gate, a criterion that a model must pass before it serves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from automl.study.plain_values import well_typed

DIGITS: Final = 12
"""Decimal places of a margin, so that it has none of the noise of a difference of floats."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """Result of one gate: its law and the measured value."""

    name: str
    passed: bool
    limit: float
    value: float | None
    """The measured value; None where nothing could be measured."""
    text: str
    """The law with the measured value, as text."""
    margin: float | None = field(init=False)
    """Distance of value and limit: positive where the gate is passed, else negative; None where nothing was measured.

    Its sign is that of the result, so that it is the same for an upper and a lower limit.
    """

    def __post_init__(self) -> None:
        """Derive the margin.

        >>> [GateResult("loss", passed, 0.005, value, "").margin for passed, value in ((True, 0.001), (False, 0.007))]
        [0.004, -0.002]
        """
        apart = None if self.value is None else round(abs(self.value - self.limit), DIGITS)
        object.__setattr__(self, "margin", apart if apart is None or self.passed else 0.0 - apart)

    @property
    def reason(self) -> str:
        """Return the line of the log."""
        margin = "" if self.margin is None else f", margin {self.margin:+z.4f}"
        return f"{'passed' if self.passed else 'refused'}: {self.text}{margin}"

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read the plain values of a result; a verdict of an earlier version has no margin."""
        return well_typed(cls(**{name: value for name, value in plain.items() if name != "margin"}))
