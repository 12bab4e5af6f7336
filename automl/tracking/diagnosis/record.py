"""Record of one training for the diagnosis: its curves, settings and class counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from automl.study import EndReason

LOSSES: Final = ("box_loss", "cls_loss", "dfl_loss")
Curve = Mapping[int, float]
"""Epoch to value, in the order of epochs."""


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """What is known of a training after its last epoch so far."""

    trial: str
    """As in `Finding.trial`."""
    epochs: int
    """Epochs of the whole training."""
    curves: Mapping[str, Curve]
    """Tag to curve: measurements and details."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the trainer, defaults filled in."""
    instances: Mapping[str, int] = field(default_factory=dict)
    """Boxes of the training split by class."""
    metric: str = "val/map50_95"
    """The tag that is maximised."""
    changed: str = ""
    """Deviation from the requested training."""
    reason: EndReason | None = None
    """Why it ended; None while it runs."""
    node: str = ""
    """The node on which it runs."""

    @property
    def epoch(self) -> int:
        """Return the last epoch with a value, 0 before the first."""
        return max((max(curve, default=0) for curve in self.curves.values()), default=0)

    @property
    def validated(self) -> int:
        """Return the last validated epoch."""
        return max(self.curves.get("val/map50", {}), default=0)

    def series(self, tag: str) -> list[float]:
        """Return the values of a tag in the order of epochs."""
        return [*self.curves.get(tag, {}).values()]

    def last(self, tag: str) -> float | None:
        """Return the value of a tag after the last epoch that has one."""
        values = self.series(tag)
        return values[-1] if values else None

    def current(self, tag: str) -> float | None:
        """Return the value of a tag after the last validated epoch; None where that epoch has none."""
        return self.curves.get(tag, {}).get(self.validated)

    def setting(self, name: str) -> float:
        """Return a numeric setting, 0 where it is missing or no number."""
        value = self.settings.get(name)
        return float(value) if isinstance(value, int | float) else 0.0

    def total(self, split: str) -> list[float]:
        """Return the sum of the loss components by epoch; empty where one component is missing."""
        parts = [self.series(f"{split}/{name}") for name in LOSSES if self.series(f"{split}/{name}")]
        length = min(map(len, parts), default=0)
        return [sum(part[place] for part in parts) for place in range(length)]

    def total_at(self, split: str, epochs: Sequence[int]) -> list[float]:
        """Return the sum of the loss components at these epochs, without those that lack a component."""
        curves = [curve for name in LOSSES if (curve := self.curves.get(f"{split}/{name}"))]
        return [sum(curve[epoch] for curve in curves) for epoch in epochs if all(epoch in curve for curve in curves)]

    def per_class(self, kind: str) -> dict[str, float]:
        """Return `class_ap50` or `class_recall` by class after the last validated epoch."""
        prefix = f"{kind}/"
        found = {tag.removeprefix(prefix): self.current(tag) for tag in self.curves if tag.startswith(prefix)}
        return {name: value for name, value in found.items() if value is not None}

    def until(self, epoch: int) -> Self:
        """Return the record as it was after an epoch."""
        curves = {tag: {at: value for at, value in curve.items() if at <= epoch} for tag, curve in self.curves.items()}
        return replace(self, curves=curves, reason=self.reason if epoch >= self.epoch else None)


def curves_of(rows: Sequence[tuple[int, Mapping[str, float]]]) -> dict[str, dict[int, float]]:
    """Return curves by tag from values by epoch.

    >>> curves_of([(1, {"a": 1.0}), (2, {"a": 2.0, "b": 3.0})])
    {'a': {1: 1.0, 2: 2.0}, 'b': {2: 3.0}}
    """
    found: dict[str, dict[int, float]] = {}
    for epoch, values in rows:
        for tag, value in values.items():
            found.setdefault(tag, {})[epoch] = value
    return found
