"""Result records after a search: scores, gains, engines, verdicts, and the trials of past studies."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from automl.study.engine_facts import EngineFacts
from automl.study.footprint import Footprint, Latency
from automl.study.gate_result import GateResult
from automl.study.trial import Params
from automl.study.verdict import Interval


@dataclass(frozen=True, slots=True)
class Score:
    """One confirmed training, evaluated on a split that no trial used."""

    seed: int
    value: float
    metrics: Mapping[str, float]
    weights: Path


@dataclass(frozen=True, slots=True)
class Gain:
    """The difference between two sets of scores, with its uncertainty."""

    difference: float
    low: float
    """The one-sided lower bound of the difference at the wanted confidence."""
    confidence: float
    challenger: tuple[Score, ...]
    default: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of an export and its measurements."""

    file: Path
    builder: str
    """Program and version that made the file, such as `tensorrt 11.4.0`; `onnx` for the graph itself."""
    score: float | None
    """The objective of this file on the judged split; None where this machine cannot run it."""


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of device that the model is built for, beside ONNX."""

    name: str
    format: Literal["openvino", "onnx", "tensorrt"]
    precision: Literal["fp32", "fp16", "int8"]
    max_loss: float
    """Largest loss of the objective against the weights, by the lower bound of the difference."""
    required: bool = False
    """A model whose artifact for this target is refused does not become champion."""
    max_latency_ms: float | None = None
    max_mb: float | None = None
    max_end_to_end_ms: float | None = None
    resource: str = ""
    """Resource of Ray of the nodes on which it is built and measured; empty: any node."""
    compatible: tuple[Literal["hardware", "version"], ...] = ()
    """What its engine of TensorRT runs on besides the GPU and the version that it was built for."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What an inspection task allows: misses at a bounded over-kill rate."""

    max_miss_rate: float
    max_overkill_rate: float
    per: Literal["image", "box"] = "image"
    confidence: float = 0.95
    """Of the exact upper bounds of both rates."""
    stop: bool = False
    """Whether the search ends once a trial holds it on val."""


@dataclass(frozen=True, slots=True)
class Parity:
    """Differences of an exported model to its weights, on the same images; the intervals are paired bootstraps."""

    what: str
    """`ONNX`, or the name of a target."""
    threshold: float
    """Confidence threshold of the served boxes; it was chosen on val."""
    objective: Interval
    f1: Interval
    precision: Interval
    recall: Interval
    """Differences at the threshold, summed over all classes."""
    class_recall: Mapping[str, float]
    """Difference of recall at the threshold of each class with enough boxes."""
    drift: float
    """Difference of the mean confidence of the true boxes; a box that was not found counts as 0."""


@dataclass(frozen=True, slots=True)
class RawDifference:
    """Largest differences of raw outputs, before any threshold or suppression."""

    box_px: float
    """Of an edge of a box. Unit: pixels of the model's input."""
    score: float
    images: int


@dataclass(frozen=True, slots=True)
class TargetResult:
    """The artifact for one target and its evidence."""

    target: Target
    artifact: Artifact | None
    """None where it could not be built."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Name in a version to file."""
    parity: Parity | None = None
    latency: Latency | None = None
    float_blocks: tuple[str, ...] = ()
    """Blocks of the network that stay in floating point, since the loss was too large with them in INT8."""
    note: str = ""
    """Why there is no artifact, or no end-to-end latency."""
    mb: float | None = None
    """Size of the files of the artifact. Unit: 10^6 bytes."""
    end_to_end: Latency | None = None
    """As it is served; None where not measured."""
    on_val: Parity | None = None
    """The comparison on val, where that is not the judged split."""
    in_int8: Latency | None = None
    """Latency with every block in INT8: what the blocks in floating point cost; None if there are none."""
    engine: EngineFacts | None = None
    """What it runs on, if it is an engine."""
    own: Footprint | None = None
    """Latency and size of the engine for this GPU and version alone: what compatibility costs; None without it."""

    def cost(self, quantity: str) -> float | None:
        """Return a quantity of a constraint; None where it was not measured."""
        if quantity == "size_mb":
            return self.mb
        timed = self.end_to_end if quantity == "end_to_end_ms" else self.latency
        return timed.p50 if timed else None


@dataclass(frozen=True, slots=True)
class ExportResult:
    """The artifacts of an export, compared with the weights."""

    onnx: Artifact
    onnx_difference: float
    """Largest difference of raw outputs, ONNX Runtime against torch, relative to one plus the magnitude."""
    torch_score: float
    """The objective of the weights on the same split with the same letterbox."""
    engine: Artifact | None = None
    notes: tuple[str, ...] = ()
    """Requested artifacts that could not be built or measured here, and why."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """All metrics of the ONNX file on the judged split."""
    threshold: float | None = None
    """Confidence threshold of the served boxes: where F1 of the ONNX file on val is highest."""
    parity: Parity | None = None
    """The ONNX file against the weights."""
    on_val: Parity | None = None
    """The same on val, where that is not the judged split."""
    raw: RawDifference | None = None
    """Raw outputs of the ONNX file against the weights', on all images of val and the judged split."""
    contract: tuple[GateResult, ...] = ()
    """Gates of the contract, measured on the ONNX file."""
    targets: tuple[TargetResult, ...] = ()
    onnx_cost: Footprint | None = None
    """Latency and size of the ONNX file; None where neither a constraint nor `export.end_to_end` asks for them."""

    @property
    def onnx_score(self) -> float:
        """Return the objective of the ONNX file, which every machine measures; NaN where it has none."""
        return math.nan if self.onnx.score is None else self.onnx.score


@dataclass(frozen=True, slots=True)
class Gates:
    """The gates that a model must pass to become champion."""

    policy: Literal["proven", "expected"] = "proven"
    min_gain: float = 0.0
    confidence: float = 0.95
    max_export_loss: float = 0.005
    require_engine: bool = False
    max_threshold_loss: float = 0.02
    max_class_recall_loss: float = 0.05
    max_drift: float = 0.05
    max_forgetting: float = 0.02
    max_champion_recall_loss: float = 0.1


@dataclass(frozen=True, slots=True)
class Evidence:
    """One trial of a past study, mapped to the space of the present one."""

    params: Params
    """Valid in the present study's space."""
    score: float
    """Normal quantile of its rank in its own study: mean 0, spread about 1, higher is better."""


@dataclass(frozen=True, slots=True)
class PastEvidence:
    """One past study as input of a warm start."""

    name: str
    similarity: float
    """Similarity of its data set to the present one: 1 for the same, 0 for nothing in common."""
    trials: tuple[Evidence, ...]


DEFAULT: Final = "default"
