"""Targets: OpenVINO artifacts of a real model, built, measured, gated and kept."""

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl.hpo.bootstrap import Resampling
from automl.release import (
    device_script,
    export,
    gates,
    modelopt,
    onnx_target,
    openvino_models,
    openvino_target,
    quantization,
    target_record,
    targets,
)  # fmt: skip
from automl.release.targets import Order
from automl.release.working_point import Comparison
from automl.study import Ending, Gates, Job, Parity, Target, TargetResult
from automl.study.gate_result import GateResult
from tests import detectors
from tests.damage import flipped


def by_onnxruntime(graph: Path, target: Path, *, precision: str, calibration: Any = None) -> str:
    """Stand in for ModelOpt, whose environment takes minutes to make: the same nodes, by ONNX Runtime."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static  # noqa: PLC0415

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """The first images."""

        def __init__(self) -> None:
            self.rows = iter([{"images": row[None]} for row in calibration[:4]])

        def get_next(self) -> Any:
            return next(self.rows, None)

    assert precision == "int8"
    quantize_static(
        graph, target, Reader(), quant_format=QuantFormat.QDQ, op_types_to_quantize=["Conv"],
        extra_options={"QDQKeepRemovableActivations": True, "ActivationSymmetric": True, "QuantizeBias": False},
    )  # fmt: skip
    return "stand-in"


needs_openvino = pytest.mark.skipif(bool(openvino_models.missing()), reason="openvino and nncf are not installed")
pytestmark = pytest.mark.yolo
FREE = Gates(max_threshold_loss=0.99, max_class_recall_loss=0.99, max_drift=0.99)
"""A micro model of a minute's training changes more by INT8 than a real one may."""


@pytest.fixture(scope="module")
def exported(trained: tuple[Job, Ending], tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Path, float]:
    """A job, its export, and the served threshold."""
    job = replace(trained[0], split="test")
    folder = tmp_path_factory.mktemp("export")
    built = export.build(job.folder / "best.pt", job, folder, images=_images(job, "test"), engine="none")
    return job, folder, built.threshold or 0.0


def _images(job: Job, split: str) -> list[Path]:
    return sorted(Path(job.data).parent.glob(f"images/{split}/*.jpg"))


def order(exported: tuple[Job, Path, float], laws: Gates = FREE) -> Order:
    job, folder, threshold = exported
    at = Comparison(threshold, "map50_95", {}, Resampling(resamples=50))
    return Order(job, folder, tuple(_images(job, "train")), at, laws)


def target(precision: Any, *, max_loss: float = 0.99, name: str = "cpu") -> Target:
    return Target(name, "openvino", precision, max_loss)


@needs_openvino
def test_openvino_computes_in_fp32_also_where_a_cpu_offers_less(tmp_path: Path) -> None:
    model = openvino_models.read(detectors.saved(tmp_path / "model.onnx"))
    assert openvino_models.HINT["INFERENCE_PRECISION_HINT"] == "f32"
    assert openvino_models.compiled(model).get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
    assert device_script.OPENVINO == openvino_models.HINT


@needs_openvino
def test_fp32_equals_the_weights_and_its_evidence_is_kept(
    exported: tuple[Job, Path, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    core, asked = import_module("openvino").Core, []
    compile_model = core.compile_model

    def recorded(self: Any, model: Any, device: Any = None, config: Any = None, **named: Any) -> Any:
        asked.append(config)
        return compile_model(self, model, device, config, **named)

    monkeypatch.setattr(core, "compile_model", recorded)
    built = targets.build(order(exported), target("fp32", max_loss=0.05))

    assert len(asked) >= 2, "judged by Ultralytics, and timed"
    assert all(config["INFERENCE_PRECISION_HINT"] == "f32" for config in asked)
    assert built.artifact
    assert built.artifact.builder.startswith("openvino 20")
    assert built.artifact.score is not None
    assert built.parity
    assert built.parity.objective.value == pytest.approx(0, abs=0.02)
    assert built.latency
    assert 0 < built.latency.p50 <= built.latency.p95 <= built.latency.p99
    assert set(built.files) == {"target-cpu.xml", "target-cpu.bin", "target-cpu.json"}
    assert all(file.is_file() for file in built.files.values())
    assert all(gate.passed for gate in gates.of_target(built, FREE))


@needs_openvino
def test_int8_is_calibrated_on_named_images_smaller_and_built_once(
    exported: tuple[Job, Path, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = order(exported)
    built = targets.build(wanted, target("int8", name="small"))
    record = json.loads(built.files["target-small.json"].read_text(encoding="utf-8"))

    assert built.artifact
    assert built.artifact.score is not None
    assert len(record["inputs"]["calibration"]) == len(wanted.calibration)
    assert b'type="FakeQuantize"' in built.files["target-small.xml"].read_bytes()
    whole = targets.build(wanted, target("fp32", name="whole"))
    assert built.files["target-small.bin"].stat().st_size < whole.files["target-whole.bin"].stat().st_size / 2
    monkeypatch.setattr(openvino_models, "read", lambda _: pytest.fail("built twice"))
    assert targets.build(wanted, target("int8", name="small")) == built


@needs_openvino
def test_int8_that_fails_its_gates_on_val_is_taken_back_block_by_block(exported: tuple[Job, Path, float]) -> None:
    job, folder, _ = exported
    model = openvino_models.read(folder / "model.onnx")
    pictures = quantization_pictures(job)
    asked: list[int] = []

    def passes(candidate: Any) -> bool:
        asked.append(sum(map(len, openvino_target.quantizers(candidate).values())))
        return len(asked) > 2

    made = quantization.int8(openvino_target, model, pictures, passes=passes)
    found, in_float = made.model, made.in_float

    assert asked[0] > asked[1] > asked[2]
    assert len(in_float) == 2
    assert not set(in_float) & set(openvino_target.quantizers(found))
    assert openvino_target.outputs(found, pictures[:1]).shape == openvino_target.outputs(model, pictures[:1]).shape


@needs_openvino
def test_a_model_with_all_blocks_taken_back_is_the_one_in_floating_point(exported: tuple[Job, Path, float]) -> None:
    job, folder, _ = exported
    model = openvino_models.read(folder / "model.onnx")
    pictures = quantization_pictures(job)
    quantized = openvino_target.quantized(model, pictures)

    whole = openvino_target.in_float(quantized, list(openvino_target.quantizers(quantized)))

    assert not openvino_target.quantizers(whole)
    ours, theirs = (openvino_target.outputs(one, pictures[:4]) for one in (whole, model))
    spoiled = openvino_target.outputs(quantized, pictures[:4])
    assert np.abs(ours - theirs).mean() < np.abs(spoiled - theirs).mean()


def quantization_pictures(job: Job) -> Any:
    from automl.trainers import yolo  # noqa: PLC0415  (the trainer is heavy)

    return yolo.letterboxed(_images(job, "train")[:8], job)


@needs_openvino
@pytest.mark.parametrize("damage", ["bytes", "record", "other gates"])
def test_an_artifact_that_is_not_the_recorded_one_is_built_again(
    exported: tuple[Job, Path, float], damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = order(exported)
    built = targets.build(wanted, target("fp16", name="again"))
    if damage == "bytes":
        built.files["target-again.bin"].write_bytes(flipped(built.files["target-again.bin"].read_bytes(), 0))
    elif damage == "record":
        built.files["target-again.json"].write_text("{}", encoding="utf-8")
    else:
        wanted = replace(wanted, gates=replace(FREE, max_drift=0.5))
    read: list[Path] = []
    real = openvino_models.read

    def recorded(path: Path) -> Any:
        read.append(path)
        return real(path)

    monkeypatch.setattr(openvino_models, "read", recorded)

    again = targets.build(wanted, target("fp16", name="again"))

    assert read
    assert again.artifact
    assert target_record.read(
        wanted.folder, again.target,
        inputs=target_record.inputs(
            wanted.folder / "model.onnx", again.target, calibration=wanted.calibration, gates=wanted.gates
        ),
    ) == again  # fmt: skip


def test_without_the_packages_the_target_is_refused_in_one_line(
    exported: tuple[Job, Path, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_models, "missing", lambda: ["openvino", "nncf"])
    built: Sequence[TargetResult] = targets.build_all(order(exported), (target("int8", name="none"),))

    assert built[0].artifact is None
    (gate,) = gates.of_target(built[0], FREE)
    assert gate.reason == (
        "refused: target none: must be built and measured, but was not: openvino and nncf must be installed; pip "
        "install 'yolo-automl-ray[openvino]', margin -1.0000"
    )


def test_int8_onnx_passes_the_same_gates_and_is_taken_back_block_by_block(
    exported: tuple[Job, Path, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modelopt, "converted", by_onnxruntime)
    asked: list[int] = []
    passing = iter([False, True])
    real = gates.of_parity

    def judged(found: Parity, laws: Gates, *, max_loss: float) -> list[GateResult]:
        asked.append(1)
        if next(passing, True):
            return []
        return [replace(one, passed=False) for one in real(found, laws, max_loss=max_loss)]

    monkeypatch.setattr(gates, "of_parity", judged)
    built = targets.build(order(exported), Target("orin", "onnx", "int8", 0.99))

    assert set(built.files) == {"target-orin.onnx", "target-orin.json"}
    assert built.artifact
    assert built.artifact.builder.startswith("modelopt")
    assert built.artifact.score is not None
    assert built.parity
    assert len(built.float_blocks) == 1
    graph = onnx_target.read(built.files["target-orin.onnx"])
    assert onnx_target.quantizers(graph)
    assert not set(built.float_blocks) & set(onnx_target.quantizers(graph))
    assert {entry.key for entry in graph.metadata_props} >= {"names", "stride", "weights_sha256"}
    assert targets.build(order(exported), Target("orin", "onnx", "int8", 0.99)) == built
