"""End-to-end latency of an export: from the bytes of an image to its boxes as JSON, in a process like the server's.

The server's own code runs, in a process that imports neither torch nor Ray and has one thread for each step, as
`automl serve` has for each image: `python -m automl.apps.serve.timing`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from automl.storage import files, scratch
from automl.storage.layout import EVALUATION, ONNX, TARGET
from automl.study import Latency
from automl.study.engine_facts import EngineFacts
from automl.study.errors import ExportError
from automl.study.text import one_line

MODULE: Final = "automl.apps.serve.timing"
PICTURES: Final = 20
"""The most images that are timed, in turn."""
MOST_SECONDS: Final = 180.0
TAIL: Final = 300
NAME: Final = "timed"
"""Name of the target in the folder that is timed."""


def of_onnx(path: Path, pictures: Sequence[Path], *, record: Path | None = None) -> Latency:
    """Return the latency of an ONNX file on images, with the thresholds of an evaluation record.

    Raises:
        ExportError: it cannot be served.
    """
    return _timed({ONNX: path} | ({EVALUATION: record} if record else {}), pictures)


def of_openvino(
    folder: Path, metadata: Mapping[str, str], pictures: Sequence[Path], *, record: Path | None = None
) -> Latency:
    """Return the latency of `model.xml` and `model.bin` in a folder, with the ONNX file's metadata.

    Raises:
        ExportError: they cannot be served.
    """
    model = {f"{TARGET}{NAME}{suffix}": folder / f"model{suffix}" for suffix in (".xml", ".bin")}
    return _timed(model | ({EVALUATION: record} if record else {}), pictures, metadata=metadata)


def of_engine(
    plan: Path, facts: EngineFacts, metadata: Mapping[str, str], pictures: Sequence[Path], *, record: Path | None = None
) -> Latency:
    """Return the latency of an engine of TensorRT, with the ONNX file's metadata.

    Raises:
        ExportError: it cannot be served on this machine.
    """
    model = {f"{TARGET}{NAME}.engine": plan} | ({EVALUATION: record} if record else {})
    return _timed(model, pictures, metadata=metadata, engine=facts.to_dict())


def _timed(
    model: Mapping[str, Path],
    pictures: Sequence[Path],
    *,
    metadata: Mapping[str, str] | None = None,
    engine: Mapping[str, Any] | None = None,
) -> Latency:
    with scratch.folder() as place:
        for name, path in model.items():
            files.copy(path, place / name)
        if metadata is not None:
            files.write_json(place / f"{TARGET}{NAME}.json", {"metadata": dict(metadata), "engine": engine})
        order = {
            "folder": str(place), "target": "" if metadata is None else NAME,
            "pictures": [str(path) for path in pictures[:PICTURES]],
        }  # fmt: skip
        return _answer(order)


def _answer(order: Mapping[str, Any]) -> Latency:
    """Return what the process measured."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", MODULE], input=json.dumps(order), capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}, timeout=MOST_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ExportError(f"end-to-end latency: must be measured within {MOST_SECONDS:g} s, but was not") from None
    try:
        return Latency(**json.loads(done.stdout))
    except (ValueError, TypeError):
        cause = one_line(done.stderr.strip()[-TAIL:]) or f"its process ended with code {done.returncode}"
        raise ExportError(f"end-to-end latency: cannot be measured: {cause}") from None
