"""Files of the tiny trainer: JSON below a line with its checksum."""

import hashlib
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from automl.study import Job
from automl.study.errors import TrialError
from automl.study.yaml_io import read_yaml

STATE, WEIGHTS = "tiny state", "tiny weights"
DIES: Final = "TINY_TRAINER_DIES"
"""Environment variable that names a file; the first process that is in an epoch while it exists kills itself."""
PICTURE = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()


def damage(path: Path) -> str:
    try:
        checksum, _, body = path.read_text(encoding="utf-8").partition("\n")
    except ValueError as error:
        return str(error)
    return "" if checksum == _checksum(body) else "its checksum does not hold"


def write(path: Path, kind: str, content: Mapping[str, Any]) -> None:
    body = json.dumps({**content, "kind": kind})
    path.write_text(f"{_checksum(body)}\n{body}", encoding="utf-8")


def read(path: Path, *kinds: str) -> dict[str, Any]:
    if reason := damage(path):
        raise TrialError(f"{path}: cannot be read as a checkpoint: {reason}")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8").partition("\n")[2])
    if content["kind"] not in kinds:
        raise TrialError(f"{path}: must be {' or '.join(kinds)}, but is {content['kind']}")
    return content


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def write_untrained(path: Path, job: Job) -> None:
    """Write weights that know nothing."""
    write(path, WEIGHTS, {"epoch": -1, "quality": 0.0, "parameters": 0, "model": job.model})


def die_if_asked() -> None:
    """Kill this process where the file that `DIES` names exists; the file is removed, so that only one dies."""
    asked = os.environ.get(DIES)
    if asked is None:
        return
    try:
        Path(asked).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def preload() -> None:
    """Import nothing: the modules of this trainer are all that it uses."""


def exported_quality(model: Path) -> float:
    """Return the quality in the metadata of an ONNX file, or in those beside a model of OpenVINO."""
    if model.is_dir():
        return float(read_yaml(model / "metadata.yaml")["quality"])
    import onnx  # noqa: PLC0415  (most tests export nothing)

    return float({entry.key: entry.value for entry in onnx.load(model).metadata_props}["quality"])
