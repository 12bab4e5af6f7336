"""OpenVINO as the format of a target: `.xml` and `.bin`, INT8 by NNCF."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from automl.release import end_to_end as timing
from automl.release import latency, openvino_models, quantization
from automl.release.target_format import Array, Built, Model
from automl.storage import files as storage_files
from automl.study import Footprint, Latency
from automl.trainers.other_formats import OPENVINO_FOLDER

SUFFIXES: tuple[str, ...] = (".xml", ".bin")
NEEDS_GPU = False
DECODING: Final = r"(dfl|Sub|Add|Div|Mul|Sigmoid|Concat|Split|Slice|Softmax)(_\d+)?(/.*)?$"
QUANTIZER: Final = "FakeQuantize"
MEGA: Final = 1e6

read = openvino_models.read
finished = openvino_models.compressed


def missing() -> str:
    """Return the packages that must be installed, with the remedy; empty if none."""
    lacking = openvino_models.missing()
    remedy = "must be installed; pip install 'yolo-automl-ray[openvino]'"
    return f"{' and '.join(lacking)} {remedy}" if lacking else ""


def builder(precision: str) -> str:
    """Return program and version."""
    del precision
    return openvino_models.builder()


def in_half(model: Model) -> Model:
    """Return the model: weights become FP16 when it is saved."""
    return model


def quantized(model: Model, calibration: Array) -> Model:
    """Return a model in INT8 but for the decoding."""
    head = quantization.head(node.get_friendly_name() for node in model.get_ordered_ops())
    return openvino_models.quantize(model, calibration, except_for=[rf"/{re.escape(head)}/{DECODING}"] if head else [])


def quantizers(model: Model) -> Mapping[str, Sequence[str]]:
    """Return the names of the quantizing nodes of each block, in the order of the network."""
    names = [node.get_friendly_name() for node in model.get_ordered_ops() if node.get_type_name() == QUANTIZER]
    return quantization.blocks(names)


def in_float(model: Model, blocks: Sequence[str]) -> Model:
    """Return a copy of a quantized model in which these blocks are in floating point."""
    names = {name for block, inside in quantizers(model).items() if block in blocks for name in inside}
    copy = model.clone()
    for node in copy.get_ordered_ops():
        if node.get_friendly_name() in names:
            node.output(0).replace(node.input_value(0))
    copy.validate_nodes_and_infer_types()
    return copy


def outputs(model: Model, pictures: Array) -> Array:
    """Return a model's outputs, one row a box."""
    compiled = openvino_models.compiled(model)
    return quantization.by_rows(np.concatenate([np.asarray(compiled(picture[None])[0]) for picture in pictures]))


def saved(model: Model, place: Path, *, half: bool, metadata: Mapping[str, str]) -> Path:
    """Write a model into the folder `<place>_openvino_model` and return it."""
    folder = place.with_name(place.name + OPENVINO_FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    openvino_models.save(model, folder / "model.xml", half=half)
    storage_files.write_json(folder / "metadata.yaml", dict(metadata))  # JSON is YAML
    return folder


def built(written: Path, place: Path, *, compatible: Sequence[str], metadata: Mapping[str, str]) -> Built:
    """Return the written model: it ships as it is."""
    del place, compatible, metadata
    return Built(written)


def files(written: Path) -> Mapping[str, Path]:
    """Return the files of a written model by suffix."""
    return {suffix: written / f"model{suffix}" for suffix in SUFFIXES}


def footprint(written: Path) -> Footprint:
    """Return latency in the model, and size."""
    compiled = openvino_models.compiled(openvino_models.read(written / "model.xml"))
    picture = np.random.default_rng(0).random(tuple(compiled.input(0).shape), np.float32)
    timed = latency.measured(lambda: compiled(picture), openvino_models.device())
    return Footprint(timed, sum(file.stat().st_size for file in written.glob("model.*")) / MEGA)


def end_to_end(
    written: Path, metadata: Mapping[str, str], pictures: Sequence[Path], *, record: Path | None = None
) -> Latency:
    """Return the latency from the bytes of images to boxes as JSON."""
    return timing.of_openvino(written, metadata, pictures, record=record)
