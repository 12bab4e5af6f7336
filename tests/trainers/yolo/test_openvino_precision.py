"""What Ultralytics compiles by OpenVINO computes in FP32, on each processor."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from automl.trainers.yolo.openvino_precision import in_fp32
from tests import detectors

pytestmark = pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")
ASKED = {"device_name": "CPU", "config": {"PERFORMANCE_HINT": "LATENCY"}}
"""What Ultralytics 8.4 asks for."""


@pytest.mark.parametrize("name", ["target_openvino_model", "best.pt"])
def test_a_model_of_openvino_is_compiled_for_fp32_within_the_block_only(tmp_path: Path, name: str) -> None:
    core = import_module("openvino").Core
    before = core.compile_model
    with in_fp32(tmp_path / name):
        assert (core.compile_model is before) == name.endswith(".pt")
        compiled = core().compile_model(core().read_model(str(detectors.saved(tmp_path / "model.onnx"))), **ASKED)
        precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    assert name.endswith(".pt") or precision == "f32"
    assert core.compile_model is before
