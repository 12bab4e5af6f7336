"""Protocol of a target's file format: read, convert, quantize, write, measure. A module with these functions is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from automl.study import Footprint, Latency
from automl.study.engine_facts import EngineFacts

Model = Any
"""A model in memory, as the format's vendor has it."""
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Built:
    """What ships of a written model."""

    path: Path
    """What the trainer's validation reads, and the other functions of its format."""
    engine: EngineFacts | None = None
    """What it runs on, if it is an engine."""


class Quantizer(Protocol):
    """INT8 whose blocks can be taken back to floating point one by one."""

    def quantized(self, model: Model, calibration: Array) -> Model:
        """Return a model in INT8, calibrated on inputs, n x channels x height x width.

        The arithmetic that turns the head's outputs into boxes and scores stays in floating point: boxes are pixels
        of the input there, and 255 steps over its whole edge would round each to whole pixels and more.
        """

    def quantizers(self, model: Model) -> Mapping[str, Sequence[str]]:
        """Return the names of the quantized nodes of each block, in the order of the network."""

    def in_float(self, model: Model, blocks: Sequence[str]) -> Model:
        """Return a copy of a quantized model in which these blocks are in floating point."""

    def outputs(self, model: Model, pictures: Array) -> Array:
        """Return a model's outputs, n x (4 + classes) x anchors; of an end-to-end head n x 6 x rows."""

    def finished(self, model: Model) -> Model:
        """Return a quantized model as it ships, with weights as small as the format allows."""


class TargetFormat(Quantizer, Protocol):
    """A file format that targets are built in."""

    SUFFIXES: tuple[str, ...]
    """Of the files of an artifact; the first is the one that is loaded."""
    NEEDS_GPU: bool
    """Whether artifacts are built and measured on a GPU; their graph is judged on the CPU before."""

    def missing(self) -> str:
        """Return what must be installed, with the remedy; empty if nothing."""

    def builder(self, precision: str) -> str:
        """Return the programs that make an artifact, with versions."""

    def read(self, onnx: Path) -> Model:
        """Return the model in an ONNX file, for one image where the batch axis is free."""

    def in_half(self, model: Model) -> Model:
        """Return a model whose weights are, or become when it is saved, in 16 bits."""

    def saved(self, model: Model, place: Path, *, half: bool, metadata: Mapping[str, str]) -> Path:
        """Write a model at, or at a name that begins with, `place`; return what the trainer's validation reads."""

    def built(self, written: Path, place: Path, *, compatible: Sequence[str], metadata: Mapping[str, str]) -> Built:
        """Return what ships of a written model: the model itself, or an engine of it, which is written into a folder.

        Raises:
            ExportError: the engine cannot be built.
        """

    def files(self, written: Path) -> Mapping[str, Path]:
        """Return the files of a written model by suffix."""

    def footprint(self, written: Path) -> Footprint:
        """Return latency in the model, and size, of a written model."""

    def end_to_end(
        self, written: Path, metadata: Mapping[str, str], pictures: Sequence[Path], *, record: Path | None = None
    ) -> Latency:
        """Return the latency of a written model from the bytes of images to boxes as JSON.

        Raises:
            ExportError: it cannot be served.
        """
