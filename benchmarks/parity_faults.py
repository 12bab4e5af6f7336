"""Planted export faults: is each refused, with the right reason, and is a good export accepted?

Takes trained weights of a registry version, exports them, plants one fault at a time, and asks the part of the program
that stands between such a file and a user: the comparison of raw outputs, the gates at the served threshold, or the
verification of the registry. Good exports (ONNX, OpenVINO in three precisions) must pass.

    python benchmarks/parity_faults.py --version STORAGE/models/NAME/versions/0001 --data DATA.yaml
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from automl.hpo.bootstrap import Resampling
from automl.release import export, gates, openvino_models, openvino_target, parity, quantization, targets, working_point
from automl.release.working_point import Comparison
from automl.storage import job_file
from automl.storage.detections import ImageStats
from automl.storage.layout import ONNX, ONNX_STATS, TORCH_STATS
from automl.storage.registry import Registry
from automl.study import Gates, Job, Target
from automl.study.errors import ExportError, RegistryError
from benchmarks.planted import engines

INPUT, OUTPUT = "planted_input", "planted_output"


@dataclass(frozen=True, slots=True)
class Bench:
    """The good export that faults are planted in."""

    job: Job
    weights: Path
    folder: Path
    images: list[Path]
    """Of test, as they are."""
    framed: list[Path]
    """Pictures of test that are not square, so that their letterbox has a border."""
    calibration: tuple[Path, ...]
    at: Comparison


@dataclass(frozen=True, slots=True)
class Fault:
    """A planted fault: what it is, what the refusal must say, and the reasons given."""

    name: str
    reason: str
    found: str
    """The refusal; empty if the file was accepted."""


def main() -> None:
    """Plant the faults and print the table and the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", type=Path, required=True, help="folder of a version, with its weights")
    parser.add_argument("--data", type=Path, required=True, help="data.yaml of the staged data set of its study")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        bench = exported(given.version, given.data, Path(place))
        faults = [*planted(bench), *planted_in_registry(bench, Path(place)), *planted_in_engines(bench)]
        good = [*accepted(bench), ("engine built on this machine", list(filter(None, [engines.refusal(bench.folder)])))]
    for fault in faults:
        print(f"{fault.name:45} {'refused: ' + fault.found[-140:] if fault.found else 'ACCEPTED'}")
    for name, refusals in good:
        print(f"{name:45} {'accepted' if not refusals else 'REFUSED: ' + '; '.join(refusals)}")
    right = sum(fault.reason in fault.found for fault in faults)
    refused = sum(bool(fault.found) for fault in faults)
    print(
        json.dumps({
            "planted": len(faults), "refused": refused, "right_reason": right, "good": len(good),
            "good_refused": sum(bool(refusals) for _, refusals in good),
        })
    )  # fmt: skip


def exported(version: Path, data: Path, place: Path) -> Bench:
    """Export the version's weights and measure them."""
    job = replace(job_file.read(version), data=str(data), split="test", folder=version)
    split = {name: sorted(path for path in (data.parent / "images" / name).rglob("*") if path.is_file())
             for name in ("train", "test")}  # fmt: skip
    folder = place / "good"
    built = export.build(version / "best.pt", job, folder, images=split["test"], engine="none")
    at = Comparison(built.threshold or 0.25, "map50_95", {}, Resampling())
    calibration = quantization.calibration(split["train"], seed=0)
    framed = not_square(split["test"][: parity.CHECKED_IMAGES], place / "framed")
    return Bench(job, version / "best.pt", folder, split["test"], framed, calibration, at)


def not_square(images: Sequence[Path], folder: Path) -> list[Path]:
    """Return copies of pictures without their lower third."""
    import cv2

    folder.mkdir()
    made = []
    for path in images:
        if (picture := cv2.imread(str(path))) is None:
            raise SystemExit(f"{path}: must be a picture")
        made.append(folder / f"{path.stem}.png")
        cv2.imwrite(str(made[-1]), picture[: picture.shape[0] * 2 // 3])
    return made


def planted(bench: Bench) -> Iterator[Fault]:
    """Yield the faults in a model file."""
    edits: dict[str, tuple[str, Callable[[onnx.ModelProto], None]]] = {
        "BGR instead of RGB": ("channels are swapped", swap_channels),
        "input divided by 255 twice": ("divides its input by 255 once more", lambda graph: scale_input(graph, 1 / 255)),
        "input not divided by 255": ("not divided by 255", lambda graph: scale_input(graph, 255.0)),
        "classes in another order": ("classes are in another order", turn_classes),
        "confidences halved, ranks kept": ("confidences are 0.50 times", lambda graph: scale_scores(graph, 0.5)),
        "weights of an older checkpoint": ("exported from other weights", older),
    }
    border = letterbox_border(bench)
    if not any(border):
        raise SystemExit("letterbox at the top left: cannot be planted, since the pictures have no border")
    edits["letterbox at the top left"] = ("letterbox is not centred", to_top_left(*border))
    for name, (reason, edit) in edits.items():
        graph = onnx.load(bench.folder / ONNX)
        edit(graph)
        path = bench.folder / "planted.onnx"
        onnx.save(graph, path)
        yield Fault(name, reason, by_outputs(bench, path))
    yield Fault("truncated file", "cannot be compared", by_outputs(bench, truncated(bench)))
    yield by_gates(bench, "INT8 calibrated on noise")
    yield confidences_of_a_target(bench)


def by_outputs(bench: Bench, path: Path) -> str:
    """Return the refusal of the comparison of raw outputs."""
    try:
        difference = parity.compare(bench.weights, path, bench.framed, bench.job)
        known = difference <= parity.MAX_DIFFERENCE
        return "" if known else parity.cause(bench.weights, path, bench.framed, bench.job)
    except ExportError as error:
        return str(error)


def by_gates(bench: Bench, name: str) -> Fault:
    """Return the fault of a target calibrated on noise: its blocks would have to go back, which the evidence tells."""
    noise = np.random.default_rng(0).random((16, *shape(bench)), np.float32) * np.float32(0.02)
    model = openvino_target.quantized(openvino_models.read(bench.folder / ONNX), noise)
    return Fault(name, "lower bound of the difference", "; ".join(refusals(bench, openvino_models.compressed(model))))


def confidences_of_a_target(bench: Bench) -> Fault:
    """Return the fault of an artifact whose confidences are halved, which mAP does not show."""
    graph = onnx.load(bench.folder / ONNX)
    scale_scores(graph, 0.5)
    path = bench.folder / "halved.onnx"
    onnx.save(graph, path)
    found = "; ".join(refusals(bench, openvino_models.read(path)))
    return Fault("target with halved confidences", "mean confidence of the true boxes", found)


def refusals(bench: Bench, model: openvino_models.Model) -> list[str]:
    """Return the gates that an OpenVINO model fails."""
    target = Target("planted", "openvino", "int8", 0.01)
    with tempfile.TemporaryDirectory() as place:
        stats, _ = targets.measured(
            openvino_target.saved(model, Path(place) / "m", half=False, metadata=parity.facts(bench.folder / ONNX)),
            bench.job,
            split="test",
        )
    weights = ImageStats.load(bench.folder / TORCH_STATS)
    found = working_point.compare("planted", stats, weights=weights, at=bench.at)
    return [gate.text for gate in gates.of_parity(found, Gates(), max_loss=target.max_loss) if not gate.passed]


def accepted(bench: Bench) -> Iterator[tuple[str, list[str]]]:
    """Yield the good artifacts with the gates that refuse them."""
    yield "ONNX: raw outputs", list(filter(None, [by_outputs(bench, bench.folder / ONNX)]))
    weights, shipped = (ImageStats.load(bench.folder / name) for name in (TORCH_STATS, ONNX_STATS))
    found = working_point.compare("ONNX", shipped, weights=weights, at=bench.at)
    yield "ONNX: at the served threshold", [one.text for one in gates.at_threshold(found, Gates()) if not one.passed]
    order = targets.Order(bench.job, bench.folder, bench.calibration, bench.at, Gates())
    for target in (
        Target("fp32", "openvino", "fp32", 0.005), Target("fp16", "openvino", "fp16", 0.005),
        Target("int8", "openvino", "int8", 0.01),
    ):  # fmt: skip
        built = targets.build(order, target)
        yield f"OpenVINO {target.name}", [one.text for one in gates.of_target(built, Gates()) if not one.passed]


def planted_in_engines(bench: Bench) -> Iterator[Fault]:
    """Yield the faults in the record of an engine."""
    for name, (reason, changes) in engines.FAULTS.items():
        yield Fault(name, reason, engines.refusal(bench.folder, **changes))


def planted_in_registry(bench: Bench, place: Path) -> Iterator[Fault]:
    """Yield the faults in a published version."""
    for name, reason, damage in (
        ("one flipped bit in a version", "SHA-256 must be", flip),
        ("truncated file in a version", "SHA-256 must be", cut),
    ):  # fmt: skip
        registry = Registry(place / name.replace(" ", "-"), "model")
        version = registry.publish({ONNX: bench.folder / ONNX}, {})
        path = registry.path(version) / ONNX
        path.chmod(0o644)
        path.write_bytes(damage(path.read_bytes()))
        try:
            yield Fault(name, reason, "; ".join(registry.verify(version)))
        except RegistryError as error:
            yield Fault(name, reason, str(error))


def flip(content: bytes) -> bytes:
    """Return the content with one bit flipped."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def cut(content: bytes) -> bytes:
    """Return the first half of the content."""
    return content[: len(content) // 2]


def truncated(bench: Bench) -> Path:
    """Return a copy of the ONNX file without its second half."""
    path = bench.folder / "truncated.onnx"
    path.write_bytes(cut((bench.folder / ONNX).read_bytes()))
    return path


def shape(bench: Bench) -> tuple[int, int, int]:
    """Return channels, height and width of the input."""
    dims = onnx.load(bench.folder / ONNX, load_external_data=False).graph.input[0].type.tensor_type.shape.dim
    return dims[1].dim_value, dims[2].dim_value, dims[3].dim_value


def before(graph: onnx.ModelProto, node: onnx.NodeProto) -> None:
    """Put a node, from the input to `INPUT`, before everything that reads the input."""
    name = graph.graph.input[0].name
    for other in graph.graph.node:
        for index, value in enumerate(other.input):
            if value == name:
                other.input[index] = INPUT
    graph.graph.node.insert(0, node)


def behind(graph: onnx.ModelProto, make: Callable[[str, str], onnx.NodeProto]) -> None:
    """Put a node between what computes the output and the output."""
    name = graph.graph.output[0].name
    for other in graph.graph.node:
        for index, value in enumerate(other.output):
            if value == name:
                other.output[index] = OUTPUT
    graph.graph.node.append(make(OUTPUT, name))


def constant(graph: onnx.ModelProto, values: np.ndarray[Any, Any]) -> str:
    """Add a constant and return its name."""
    name = f"planted_{len(graph.graph.initializer)}"
    graph.graph.initializer.append(numpy_helper.from_array(values, name))
    return name


def swap_channels(graph: onnx.ModelProto) -> None:
    """Reverse the channels of the input."""
    order = constant(graph, np.array([2, 1, 0], np.int64))
    before(graph, helper.make_node("Gather", [graph.graph.input[0].name, order], [INPUT], axis=1))


def scale_input(graph: onnx.ModelProto, factor: float) -> None:
    """Multiply the input."""
    scale = constant(graph, np.array(factor, np.float32))
    before(graph, helper.make_node("Mul", [graph.graph.input[0].name, scale], [INPUT]))


def scale_scores(graph: onnx.ModelProto, factor: float) -> None:
    """Multiply the scores and leave the boxes."""
    rows = graph.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    scales = np.array([1.0] * 4 + [factor] * (rows - 4), np.float32).reshape(1, rows, 1)
    name = constant(graph, scales)
    behind(graph, lambda source, result: helper.make_node("Mul", [source, name], [result]))


def turn_classes(graph: onnx.ModelProto) -> None:
    """Move the last class to the front."""
    rows = graph.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    order = constant(graph, np.array([0, 1, 2, 3, rows - 1, *range(4, rows - 1)], np.int64))
    behind(graph, lambda source, result: helper.make_node("Gather", [source, order], [result], axis=1))


def letterbox_border(bench: Bench) -> tuple[int, int]:
    """Return the border of the commonest letterbox, in pixels: above and left of the picture."""
    from automl.trainers import trainer_of

    pictures = trainer_of(bench.job).letterboxed(bench.framed[:1], bench.job)
    grey = np.isclose(pictures[0], pictures[0][0, 0, 0], atol=1e-3)
    return int(np.argmin(grey.all(axis=(0, 2)))), int(np.argmin(grey.all(axis=(0, 1))))


def to_top_left(top: int, left: int) -> Callable[[onnx.ModelProto], None]:
    """Return the edit that rolls a picture with this border to the top left."""

    def edit(graph: onnx.ModelProto) -> None:
        axis, offset = (2, top) if top else (3, left)
        size = graph.graph.input[0].type.tensor_type.shape.dim[axis].dim_value
        order = constant(graph, np.roll(np.arange(size, dtype=np.int64), -offset))
        before(graph, helper.make_node("Gather", [graph.graph.input[0].name, order], [INPUT], axis=axis))

    return edit


def older(graph: onnx.ModelProto) -> None:
    """Change the weights a little, and the record of their source, as an earlier checkpoint would have them."""
    rng = np.random.default_rng(0)
    for tensor in graph.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 4:
            values = numpy_helper.to_array(tensor)
            noise = rng.normal(0, values.std() * 0.05, values.shape).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values + noise, tensor.name))
    for entry in graph.metadata_props:
        if entry.key == parity.SOURCE:
            entry.value = "0" * 64


if __name__ == "__main__":
    main()
