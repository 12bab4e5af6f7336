"""Footprint of a model on a target: latency in the model and end to end, and size. Frozen dataclasses."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from automl.study.plain_values import well_typed

STABLE: Final = 0.03


@dataclass(frozen=True, slots=True)
class Latency:
    """Time of one image in milliseconds: in the model itself, or from its bytes to the boxes as JSON."""

    p50: float
    p95: float
    p99: float
    spread: float
    """Largest difference between the medians of the repeats, as a share of their median."""
    device: str

    @property
    def stable(self) -> bool:
        """Return True if the repeats agree within 3%."""
        return self.spread < STABLE

    @property
    def text(self) -> str:
        """Return the percentiles as text.

        >>> Latency(1.0, 2.0, 3.456, 0.5, "cpu").text
        'p50 1.00, p95 2.00, p99 3.46 ms, unstable'
        """
        return f"p50 {self.p50:.2f}, p95 {self.p95:.2f}, p99 {self.p99:.2f} ms{'' if self.stable else ', unstable'}"

    @classmethod
    def of(cls, plain: Mapping[str, Any] | None) -> Self | None:
        """Read plain values; None of None."""
        return well_typed(cls(**plain)) if plain else None


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a model costs on a target."""

    latency: Latency
    """In the model itself, without decoding and suppression."""
    mb: float
    """Size of the files of the artifact. Unit: 10^6 bytes."""
    end_to_end: Latency | None = None
    """Decoding, letterbox, model, suppression and JSON, in one thread as it is served; None where not measured."""

    def cost(self, quantity: str) -> float | None:
        """Return a quantity of a constraint; None where it was not measured."""
        if quantity == "end_to_end_ms":
            return self.end_to_end.p50 if self.end_to_end else None
        return self.mb if quantity == "size_mb" else self.latency.p50

    @property
    def text(self) -> str:
        """Return all of it as text."""
        served = f"; end to end {self.end_to_end.text}" if self.end_to_end else ""
        return f"{self.mb:.2f} MB, in the model {self.latency.text}{served}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote, or an earlier version."""
        timed = well_typed(Latency(**plain["latency"]))
        return well_typed(cls(timed, float(plain["mb"]), Latency.of(plain.get("end_to_end"))))

    def to_record(self) -> dict[str, Any]:
        """Return latency in the model and size as plain values, as records of targets and results of devices have them.

        >>> Footprint(Latency(1.0, 2.0, 3.0, 0.0, "cpu"), 5.5).to_record()["mb"]
        5.5
        """
        return {"latency_ms": asdict(self.latency), "mb": self.mb}

    @classmethod
    def of_record(cls, plain: Mapping[str, Any] | None) -> Self | None:
        """Read what `to_record` wrote; None of None.

        Raises:
            LookupError, TypeError, ValueError: it is none.
        """
        if not plain:
            return None
        return well_typed(cls(well_typed(Latency(**plain["latency_ms"])), float(plain["mb"])))
