"""ModelOpt in its own environment: the command lines, one making, and a clear message where it refuses."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from automl.release import modelopt
from automl.study.errors import ExportError
from tests.builders import written

STUB = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path
out = next(part.partition("=")[2] for part in sys.argv if part.startswith("--output_path="))
if "fail" in os.environ.get("STUB", ""):
    sys.exit("the graph has no output")
images = [part.partition("=")[2] for part in sys.argv if part.startswith("--calibration_data_path=")]
Path(out).write_text(json.dumps({{"line": sys.argv[1:], "images": [Path(one).is_file() for one in images]}}))
"""


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an environment whose Python records its command line."""
    folder = tmp_path / "modelopt"
    (folder / "bin").mkdir(parents=True)
    written(folder / "bin", "python", STUB).chmod(0o755)
    written(folder, modelopt.READY, modelopt.VERSION)
    monkeypatch.setenv(modelopt.PLACE, str(folder))
    return folder


@pytest.mark.usefixtures("ready")
def test_fp16_is_converted_by_autocast_with_inputs_in_fp32(tmp_path: Path) -> None:
    target = tmp_path / "half.onnx"
    assert modelopt.converted(tmp_path / "model.onnx", target, precision="fp16") == f"modelopt {modelopt.VERSION}"
    line = json.loads(target.read_text(encoding="utf-8"))["line"]
    assert line[:3] == ["-m", "modelopt.onnx.autocast", f"--onnx_path={tmp_path / 'model.onnx'}"]
    assert line[-2:] == ["--low_precision_type=fp16", "--keep_io_types"]


@pytest.mark.usefixtures("ready")
def test_int8_is_calibrated_on_the_given_images_on_the_cpu(tmp_path: Path) -> None:
    target = tmp_path / "small.onnx"
    images = np.zeros((2, 3, 32, 32), np.float32)
    modelopt.converted(tmp_path / "model.onnx", target, precision="int8", calibration=images)
    found = json.loads(target.read_text(encoding="utf-8"))
    assert found["images"] == [True]
    assert "--quantize_mode=int8" in found["line"]


@pytest.mark.usefixtures("ready")
def test_a_graph_that_is_refused_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB", "fail")
    with pytest.raises(ExportError, match=r"half.onnx: ModelOpt: .* ended with code 1: the graph has no"):
        modelopt.converted(tmp_path / "model.onnx", tmp_path / "half.onnx", precision="fp16")
    assert not (tmp_path / "half.onnx").exists()


def test_the_environment_is_made_with_pins_and_the_torch_of_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[list[str]] = []

    def run(line: list[str], *, what: str) -> None:
        del what
        (tmp_path / "made" / "lib" / "python3.11" / "site-packages").mkdir(parents=True, exist_ok=True)
        lines.append(line)

    monkeypatch.setenv(modelopt.PLACE, str(tmp_path / "made"))
    monkeypatch.setattr(modelopt, "_run", run)
    python = modelopt.environment()
    assert python == tmp_path / "made" / "bin" / "python"
    assert modelopt.environment() == python
    assert len(lines) == 3
    assert lines[-1][-2:] == ["--no-deps", f"nvidia-modelopt=={modelopt.VERSION}"]
    (shared,) = (tmp_path / "made").rglob(modelopt.SHARED)
    assert (Path(shared.read_text(encoding="utf-8").strip()) / "torch").is_dir()
