"""ONNX in another precision as the format of a target, by NVIDIA ModelOpt: FP16, or INT8 by quantizing nodes.

For strongly typed engines, whose precision is that of the graph, and for ONNX Runtime, which runs both on a CPU: so
accuracy is known before a GPU is touched. ModelOpt quantizes the inputs and the weights of convolutions; a block is
taken back to floating point by connecting its convolutions with what was quantized.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime

from automl.release import end_to_end as timing
from automl.release import latency, modelopt, quantization
from automl.release.parity import named_failure
from automl.release.target_format import Array, Built, Model
from automl.storage import scratch
from automl.study import Footprint, Latency

SUFFIXES: tuple[str, ...] = (".onnx",)
NEEDS_GPU = False
QUANTIZE: Final = "QuantizeLinear"
DEQUANTIZE: Final = "DequantizeLinear"
MEGA: Final = 1e6
PROVIDERS: Final = ("CPUExecutionProvider",)


def missing() -> str:
    """Return nothing: the environment of ModelOpt is made when it is needed."""
    return ""


def builder(precision: str) -> str:
    """Return program and version."""
    return f"onnx {onnx.__version__}" if precision == "fp32" else f"modelopt {modelopt.VERSION}"


def read(path: Path) -> Model:
    """Return the model in an ONNX file, for one image where the batch axis is free."""
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        batch = value.type.tensor_type.shape.dim[0]
        if not batch.dim_value:
            batch.dim_value = 1
            del model.graph.value_info[:]
    return model


def in_half(model: Model) -> Model:
    """Return a model in FP16, with inputs and outputs in FP32."""
    return _converted(model, precision="fp16")


def quantized(model: Model, calibration: Array) -> Model:
    """Return a model whose convolutions are in INT8."""
    return _converted(model, precision="int8", calibration=calibration)


def _converted(model: Model, *, precision: str, calibration: Array | None = None) -> Model:
    with scratch.folder() as place:
        onnx.save(model, place / "model.onnx")
        modelopt.converted(place / "model.onnx", place / "made.onnx", precision=precision, calibration=calibration)
        return onnx.load(place / "made.onnx")


def quantizers(model: Model) -> Mapping[str, Sequence[str]]:
    """Return the names of the nodes of each block that read a quantized value, in the order of the network."""
    makers = _makers(model)
    readers = [node.name for node in model.graph.node if any(_origins(node, makers))]
    return quantization.blocks(readers)


def _makers(model: Model) -> dict[str, onnx.NodeProto]:
    return {made: node for node in model.graph.node for made in node.output}


def _origins(node: onnx.NodeProto, makers: Mapping[str, onnx.NodeProto]) -> Iterator[tuple[int, str]]:
    """Yield the inputs of a node that were quantized: index, and the name of the value before."""
    if node.op_type in {QUANTIZE, DEQUANTIZE}:
        return
    for index, name in enumerate(node.input):
        back = makers.get(name)
        if back is not None and back.op_type == DEQUANTIZE:
            quantizer = makers.get(back.input[0])
            if quantizer is not None and quantizer.op_type == QUANTIZE:
                yield index, quantizer.input[0]


def in_float(model: Model, blocks: Sequence[str]) -> Model:
    """Return a copy of a quantized model in which these blocks read what was quantized."""
    names = {name for block, inside in quantizers(model).items() if block in blocks for name in inside}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    makers = _makers(copy)
    for node in copy.graph.node:
        if node.name in names:
            for index, before in list(_origins(node, makers)):
                node.input[index] = before
    _without_unread(copy)
    return copy


def _without_unread(model: Model) -> None:
    """Remove the quantizing nodes that nothing reads, in place."""
    ends = {value.name for value in model.graph.output}
    for kind in (DEQUANTIZE, QUANTIZE):
        wanted = ends | {name for node in model.graph.node for name in node.input}
        dead = [node for node in model.graph.node if node.op_type == kind and not wanted & {*node.output}]
        for node in dead:
            model.graph.node.remove(node)


def outputs(model: Model, pictures: Array) -> Array:
    """Return a model's outputs in ONNX Runtime, one row a box."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=list(PROVIDERS))
    entry = session.get_inputs()[0].name
    return quantization.by_rows(np.concatenate([session.run(None, {entry: picture[None]})[0] for picture in pictures]))


def finished(model: Model) -> Model:
    """Return the model: weights stay in FP32 before the quantizing nodes, as builders of engines read them."""
    return model


def saved(model: Model, place: Path, *, half: bool, metadata: Mapping[str, str]) -> Path:
    """Write `<place>.onnx` with the metadata, which ModelOpt leaves out, and return it."""
    del half  # the graph has its precision
    path = place.with_name(f"{place.name}.onnx")
    model = onnx.ModelProto.FromString(model.SerializeToString())
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.save(model, path)
    return path


def built(written: Path, place: Path, *, compatible: Sequence[str], metadata: Mapping[str, str]) -> Built:
    """Return the written model: it ships as it is."""
    del place, compatible, metadata
    return Built(written)


def files(written: Path) -> Mapping[str, Path]:
    """Return the file of a written model by suffix."""
    return {SUFFIXES[0]: written}


def footprint(written: Path) -> Footprint:
    """Return latency in ONNX Runtime on the CPU, and size, of an ONNX file."""
    with named_failure(f"{written}: cannot be timed in ONNX Runtime"):
        session = onnxruntime.InferenceSession(written, providers=list(PROVIDERS))
        entry = session.get_inputs()[0]
        shape = [edge if isinstance(edge, int) else 1 for edge in entry.shape]  # a free batch axis: one image
        picture = np.random.default_rng(0).random(shape, np.float32)
        timed = latency.measured(lambda: session.run(None, {entry.name: picture}), latency.processor())
    return Footprint(timed, written.stat().st_size / MEGA)


def end_to_end(
    written: Path, metadata: Mapping[str, str], pictures: Sequence[Path], *, record: Path | None = None
) -> Latency:
    """Return the latency from the bytes of images to boxes as JSON."""
    del metadata  # the file has it
    return timing.of_onnx(written, pictures, record=record)
