"""Precision graphs by NVIDIA ModelOpt: FP16 by AutoCast, INT8 by quantizing nodes, for strongly typed engines.

ModelOpt pins versions of onnx and ONNX Runtime that conflict with those of training, so it runs as a process in an
environment of its own, which is made once. Both conversions run on a CPU; neither reads the weights.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.data import picture_cache
from automl.storage import files, scratch
from automl.study.errors import ExportError

PRECISIONS: Final = ("fp16", "int8")
VERSION: Final = "0.47.0"
PINS: Final = (
    "onnx==1.21.0", "onnxruntime==1.24.4", "onnx-graphsurgeon==0.6.1", "onnxconverter-common==1.16.0",
    "onnxslim==0.1.98", "onnxscript==0.7.2", "polygraphy==0.53.6", "lief==1.0.0", "ml_dtypes==0.6.0",
    "numpy==2.4.6", "scipy==1.17.1", "omegaconf==2.4.0", "regex==2026.11.19", "safetensors==0.8.0", "PuLP==3.3.2",
    "nvidia-ml-py==13.615.71", "ninja==1.13.2", "cppimport==26.4.17", "pydantic==2.14.4", "PyYAML==6.0.4",
    "rich==15.0.0", "tqdm==4.70.1", "packaging==26.4", "setuptools>=80",
)  # fmt: skip
"""What the conversion imports, without the packages of ModelOpt's extra that need a GPU (cupy, onnxruntime-gpu).

torch is that of training, which no pin conflicts with: another one would be gigabytes.
"""
PLACE: Final = "AUTOML_MODELOPT"
"""Variable for an environment with ModelOpt: its folder; it is made there if it does not exist."""
READY: Final = "automl-ready"
SHARED: Final = "torch-of-training.pth"
LONGEST: Final = 3600.0
"""Seconds for a process."""
LAST: Final = 400
"""Letters of a failed process's output in the message."""


def place() -> Path:
    """Return the folder of the environment.

    Raises:
        ExportError: none is named, and there is no cache folder.
    """
    if given := os.environ.get(PLACE):
        return Path(given)
    cache = picture_cache.default_folder()
    if cache is None:
        raise ExportError(f"the environment of ModelOpt needs a folder, since AUTOML_CACHE is empty: set {PLACE}")
    return cache / f"modelopt-{VERSION}"


def converted(graph: Path, target: Path, *, precision: str, calibration: NDArray[np.float32] | None = None) -> str:
    """Write an FP32 ONNX file in another precision; return the name of what made it.

    `calibration` are images as the graph's input, n x channels x height x width; for INT8 alone, which needs them.

    Raises:
        ExportError: the environment cannot be made, or ModelOpt refuses the graph.
    """
    python = environment()
    with scratch.folder() as work:
        made, images = work / "made.onnx", work / "calibration.npy"
        if calibration is not None:
            np.save(images, calibration)
        _run(command(python, graph, made, precision=precision, calibration=images), what=f"{target}: ModelOpt")
        if not made.is_file():
            raise ExportError(f"{target}: ModelOpt must write {precision}, but wrote nothing")
        files.copy(made, target.absolute())
    return f"modelopt {VERSION}"


def command(python: Path, graph: Path, made: Path, *, precision: str, calibration: Path) -> list[str]:
    """Return the command line of a conversion.

    Inputs and outputs stay in FP32, so that servers need no change.

    >>> command(Path("p"), Path("a.onnx"), Path("b.onnx"), precision="fp16", calibration=Path("c.npy"))[2]
    'modelopt.onnx.autocast'
    """
    ends = [f"--onnx_path={graph}", f"--output_path={made}"]
    if precision == "fp16":
        return [str(python), "-m", "modelopt.onnx.autocast", *ends, "--low_precision_type=fp16", "--keep_io_types"]
    return [
        str(python), "-m", "modelopt.onnx.quantization", *ends, "--quantize_mode=int8",
        f"--calibration_data_path={calibration}", "--calibration_method=entropy", "--calibration_eps", "cpu",
        "--high_precision_dtype=fp32",
    ]  # fmt: skip


def environment() -> Path:
    """Return the Python of ModelOpt's environment, which is made where there is none.

    Raises:
        ExportError: it cannot be made.
    """
    folder = place()
    python = folder / "bin" / "python"
    if not (folder / READY).is_file():
        what = f"{folder}: the environment of ModelOpt (set {PLACE} for another folder)"
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], what=what)
        _run([str(python), "-m", "pip", "install", "--quiet", *PINS], what=what)
        _run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", f"nvidia-modelopt=={VERSION}"], what=what)
        _share_torch(python, what=what)
        files.write_bytes(folder / READY, VERSION.encode())
    return python


def _share_torch(python: Path, *, what: str) -> None:
    """Append the folder of training's torch to the import path of an environment, behind its own packages."""
    torch = find_spec("torch")
    if torch is None or torch.origin is None:
        raise ExportError(f"{what}: needs torch, which is not installed; pip install yolo-automl-ray")
    (own,) = (python.parents[1] / "lib").glob("python*/site-packages")
    files.write_bytes(own / SHARED, f"{Path(torch.origin).parents[1]}\n".encode())


def _run(line: Sequence[str], *, what: str) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    try:
        subprocess.run(line, env=clean, check=True, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.CalledProcessError as error:
        said = " ".join((error.stderr or error.stdout).split())[-LAST:]
        raise ExportError(f"{what}: must succeed, but ended with code {error.returncode}: {said}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ExportError(f"{what}: must succeed, but {error}") from None
