"""Verdict: the model a study ships, its score, and whether tuned params are better (`promotion.json`)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from automl.study.confirmation_end import ConfirmationEnd
from automl.study.footprint import Footprint, Latency
from automl.study.gate_result import GateResult
from automl.study.plain_values import well_typed
from automl.study.trial import Params


@dataclass(frozen=True, slots=True)
class Interval:
    """A metric, or a difference of two, with its bootstrap interval."""

    value: float
    low: float
    high: float
    lower: float
    """One-sided lower bound."""

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Read it from a mapping that may contain more keys."""
        return cls(*(float(plain[field.name]) for field in fields(cls)))

    def text(self, *, sign: str = "") -> str:
        """Return the value with its interval.

        >>> Interval(0.5, 0.4, 0.62, 0.41).text(), Interval(0.1, -0.1, 0.2, 0.0).text(sign="+")
        ('0.5000 (0.4000..0.6200)', '+0.1000 (-0.1000..+0.2000)')
        >>> Interval(-1e-9, -0.1, 0.1, -0.1).text(sign="+")  # no minus before a zero
        '+0.0000 (-0.1000..+0.1000)'
        """
        value, low, high = (f"{number:{sign}z.4f}" for number in (self.value, self.low, self.high))
        return f"{value} ({low}..{high})"


@dataclass(frozen=True, slots=True)
class Shipped:
    """The model that ships."""

    name: str
    """`trial 7`, or the name of a re-training."""
    params: Params
    on_val: float
    """The criterion by which it was chosen."""
    images: int
    """Number of images that it was evaluated on."""
    score: Interval
    """Its objective on those images, measured on the ONNX file."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference of what ships to the mean of the baseline's models."""

    models: int
    difference: Interval


@dataclass(frozen=True, slots=True)
class Further:
    """Remedy that would decide a close verdict."""

    seeds: int
    """More seeds of each side."""
    retrainings: int
    """The `confirm.retrainings` that allows these seeds."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Comparison of the tuned params with the baseline's, on fresh seeds."""

    trial: int
    params: Params
    baseline_params: Params
    """Empty in a verdict of an earlier version, whose baseline was the default of the space."""
    challenger: tuple[float, ...]
    """The objective on the judged split, one a seed."""
    baseline: tuple[float, ...]
    difference: float
    lower_bound: float | None
    """None where fewer than two seeds a side were trained."""
    confidence: float
    better: bool
    """Whether the lower bound exceeds the least gain."""
    retrainings: int
    allowed: int | None
    """The most re-trainings that the verdict was allowed; None in a verdict of an earlier version."""
    further: Further | None
    end: ConfirmationEnd | None = None
    """Of the confirmation; None in a verdict of an earlier version."""

    @property
    def known(self) -> bool:
        """Return True if both sides were trained again."""
        return bool(self.challenger and self.baseline)


@dataclass(frozen=True, slots=True)
class TargetVerdict:
    """The artifact for one target: whether the version contains it, and what was measured."""

    name: str
    format: str
    precision: str
    accepted: bool
    score: float | None
    """Its objective on the judged split; None if it was not built."""
    p50_ms: float | None
    p99_ms: float | None
    stable: bool
    """Whether the repeats of the latency agree."""
    device: str
    float_blocks: tuple[str, ...]
    """Blocks that stay in floating point."""
    gates: tuple[GateResult, ...]
    mb: float | None = None
    """Size of its files, in 10^6 bytes; None in a verdict of an earlier version."""
    end_to_end: Latency | None = None
    """As it is served; None where not measured."""
    in_int8_p50_ms: float | None = None
    """Median latency with every block in INT8; None if none is in floating point."""
    own_p50_ms: float | None = None
    """Median latency of the engine for its GPU and version alone; None without compatibility."""
    own_mb: float | None = None

    @property
    def exceptions(self) -> str:
        """Return what is in floating point, and compatible, with what that costs, as text; empty if nothing."""
        kept = f"; in floating point: {', '.join(self.float_blocks)}" if self.float_blocks else ""
        if self.p50_ms is not None and self.in_int8_p50_ms is not None:
            cost = self.p50_ms - self.in_int8_p50_ms
            kept += f", which costs {cost:+z.2f} ms ({self.in_int8_p50_ms:.2f} with every block in INT8)"
        if self.p50_ms is None or self.mb is None or self.own_p50_ms is None or self.own_mb is None:
            return kept
        return (
            f"{kept}; compatibility costs {self.p50_ms - self.own_p50_ms:+z.2f} ms and {self.mb - self.own_mb:+z.2f} MB"
            f" ({self.own_p50_ms:.2f} ms and {self.own_mb:.2f} MB for this GPU and version alone)"
        )

    def line(self) -> str:
        """Return the result as text."""
        head = f"target {self.name} ({self.format} {self.precision})"
        if not self.accepted:
            failed = "; ".join(gate.text for gate in self.gates if not gate.passed)
            return f"{head}: refused, the version does not contain it: {failed}"
        size = "" if self.mb is None else f", {self.mb:.2f} MB"
        served = f"; end to end {self.end_to_end.text}" if self.end_to_end else ""
        unstable = "" if self.stable else ", unstable"
        return (
            f"{head}: {self.score:.4f}; {self.p50_ms:.2f} ms an image (p50; p99 {self.p99_ms:.2f}{unstable}) on "
            f"{self.device}{size}{served}{self.exceptions}"
        )

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read a mapping of the fields."""
        gates = tuple(map(GateResult.from_dict, plain["gates"]))
        own = {"gates": gates, "float_blocks": tuple(plain["float_blocks"])}
        return well_typed(cls(**{**plain, **own, "end_to_end": Latency.of(plain.get("end_to_end"))}))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a study."""

    study: str
    accepted: bool
    side: str
    """Origin of the shipped model's params: `default` for the baseline's, else `trial7`."""
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    objective: str
    split: str
    claim: Claim
    metrics: Mapping[str, float]
    torch_score: float
    onnx_score: float
    onnx_difference: float
    engine: str
    engine_score: float | None
    files: Mapping[str, str]
    """Name in the registry to path in the study's folder."""
    data: str
    names: Mapping[str, str]
    shipped: Shipped | None = None
    """None in a verdict of an earlier version, as the comparisons."""
    over_baseline: Comparison | None = None
    over_champion: Interval | None = None
    gates: tuple[GateResult, ...] = ()
    champion: int | None = None
    """Version that served when the model was judged, 0 if none did; None in a verdict of an earlier version."""
    version: int | None = None
    """In the registry, once published."""
    threshold: float | None = None
    """Confidence threshold of the served boxes; None in a verdict of an earlier version."""
    targets: tuple[TargetVerdict, ...] = ()
    onnx_cost: Footprint | None = None
    """Of the ONNX file; None where it was not measured."""

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `promotion.json` and of the journal's entry."""
        plain = {name: getattr(self, name) for name in PLAIN}
        shipped, over = self.shipped, self.over_baseline
        return {
            **plain,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "gates": [asdict(gate) for gate in self.gates],
            "shipped": shipped and _with(shipped, "score", name=shipped.name, params=dict(shipped.params)),
            "over_baseline": over and _with(over, "difference", models=over.models),
            "over_champion": self.over_champion and asdict(self.over_champion),
            **_of_claim(self.claim),
            **({} if self.champion is None else {"champion": self.champion}),
            **({} if self.version is None else {"version": self.version}),
            **({} if self.threshold is None else {"threshold": self.threshold}),
            **({"targets": [asdict(target) for target in self.targets]} if self.targets else {}),
            **({"onnx_cost": self.onnx_cost.to_dict()} if self.onnx_cost else {}),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote, or an earlier version."""
        shipped, over, champion = (plain.get(name) for name in ("shipped", "over_baseline", "over_champion"))
        own: dict[str, Any] = {name: plain[name] for name in PLAIN if name != "engine_score"}
        found = cls(
            **own,
            engine_score=plain.get("engine_score"),
            reasons=tuple(plain["reasons"]),
            notes=tuple(plain["notes"]),
            gates=tuple(map(GateResult.from_dict, plain.get("gates", ()))),
            shipped=shipped
            and well_typed(Shipped(**{name: shipped[name] for name in SHIPPED}, score=Interval.of(shipped))),
            over_baseline=over and Comparison(over["models"], Interval.of(over)),
            over_champion=champion and Interval.of(champion),
            claim=_claim_of(plain),
            champion=plain.get("champion"),
            version=plain.get("version"),
            threshold=plain.get("threshold"),
            targets=tuple(TargetVerdict.from_dict(target) for target in plain.get("targets", ())),
            onnx_cost=Footprint.from_dict(plain["onnx_cost"]) if plain.get("onnx_cost") else None,
        )
        return well_typed(found)


PLAIN = (
    "study", "accepted", "side", "objective", "split", "metrics", "torch_score", "onnx_score", "onnx_difference",
    "engine", "engine_score", "files", "data", "names",
)  # fmt: skip
SHIPPED = ("name", "params", "on_val", "images")


def _with(record: Shipped | Comparison, interval: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a record with its interval's fields merged in."""
    own = asdict(record)
    return {**{name: value for name, value in own.items() if name != interval}, **more, **own[interval]}


def _of_claim(claim: Claim) -> dict[str, Any]:
    return {
        "trial": claim.trial,
        "params": dict(claim.params),
        "baseline_params": dict(claim.baseline_params),
        "challenger": list(claim.challenger),
        "default": list(claim.baseline),
        "difference": claim.difference,
        "lower_bound": claim.lower_bound,
        "confidence": claim.confidence,
        "params_better": claim.better,
        "retrainings": claim.retrainings,
        **({} if claim.allowed is None else {"allowed": claim.allowed}),
        "further": claim.further and asdict(claim.further),
        **({"end": claim.end.to_dict()} if claim.end else {}),
    }


def _claim_of(plain: Mapping[str, Any]) -> Claim:
    challenger, baseline = tuple(plain["challenger"]), tuple(plain["default"])
    further = plain.get("further")
    found = Claim(
        trial=plain["trial"],
        params=plain["params"],
        baseline_params=plain.get("baseline_params", {}),
        challenger=challenger,
        baseline=baseline,
        difference=plain["difference"],
        lower_bound=plain["lower_bound"],
        confidence=plain["confidence"],
        better=plain.get("params_better", plain["side"] != "default"),
        retrainings=plain.get("retrainings", len(challenger) + len(baseline)),
        allowed=plain.get("allowed"),
        further=further and well_typed(Further(**further)),
        end=ConfirmationEnd.from_dict(plain["end"]) if plain.get("end") else None,
    )
    return well_typed(found)
