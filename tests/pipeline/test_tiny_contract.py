"""A whole study on an embedded Ray that ends by its contract, with a second objective and two targets: what ships."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from automl.release import modelopt, openvino_models
from automl.storage.journal import Journal
from automl.storage.layout import VERDICT
from automl.storage.place import read_spec
from automl.storage.registry import Registry
from automl.study import EndReason, State
from automl.study.structure import SHIPS
from automl.trainers import registration
from tests import tiny_trainer

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[2]
TRIALS = 12
DESCRIPTION = {
    "name": "held",
    "model": tiny_trainer.MODEL,
    "budget": {"trials": TRIALS},
    "objective": {
        "metric": "miss_rate",
        "at": {"over_kill": 0.05, "per": "box"},
        "second": "size_mb on onnx",
        "constraints": ["latency_ms <= 5000 on onnx"],
        "tolerance": 0.9,
    },
    "contract": {
        "max_miss_rate": 0.8, "max_overkill_rate": 0.5, "per": "box", "stop": True,
    },
    "ladder": {"min_epochs": 2, "max_epochs": 4, "validate_every": 1},
    "space": {
        "lr0": {"low": 0.02, "high": 0.04, "default": 0.03, "log": True},
        "imgsz": {"choices": [32, 64], "default": 64},
    },
    "train": {"optimizer": "SGD", "batch": 8},
    "confirm": {"seeds": 0},
    "resources": {"concurrent": 2},
    "export": {"engine": "none", "end_to_end": False},
    "targets": {
        "orin": {"format": "onnx", "precision": "fp16", "resource": "orin", "required": True, "max_mb": 1.0},
        "igpu": {"format": "openvino", "precision": "fp16", "resource": "no-such-device"},
        "line": {"format": "openvino", "precision": "fp32"},
    },
}  # fmt: skip
COPIES = """#!/bin/sh
for word in "$@"; do
  case $word in --onnx_path=*) from=${word#*=} ;; --output_path=*) to=${word#*=} ;; esac
done
cp "$from" "$to"
"""
"""Stands in for the Python of ModelOpt's environment, which takes minutes to make: the graph stays in FP32."""
WITH_OPENVINO = not openvino_models.missing()


@dataclass(frozen=True)
class Ended:
    """A study that has ended."""

    folder: Path
    said: str


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Ended:
    home = tmp_path_factory.mktemp("home")
    python = home / "modelopt" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(COPIES)
    python.chmod(0o755)
    (home / "modelopt" / modelopt.READY).touch()
    (home / "study.yaml").write_text(yaml.safe_dump(DESCRIPTION | {"data": str(data)}))
    environment = {
        **os.environ, "HOME": str(home), "AUTOML_STORAGE": str(home), "PYTHONPATH": str(ROOT),
        registration.CHOSEN: tiny_trainer.registered(), "RAY_OVERRIDE_RESOURCES": json.dumps({"orin": 1}),
        modelopt.PLACE: str(home / "modelopt"),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(ROOT / "automl" / "search.py"), str(home / "study.yaml")],
        cwd=home, env=environment, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return Ended(home / "runs" / "held", done.stdout + done.stderr)


def test_the_search_ends_once_the_contract_holds_and_the_study_goes_on(ended: Ended) -> None:
    trials = Journal.read(ended.folder, metric=read_spec(ended.folder).metric).trials()
    assert len(trials) < TRIALS
    assert any(trial.state is State.COMPLETED for trial in trials)
    reasons = {trial.ending.reason for trial in trials if trial.ending}
    assert reasons <= {EndReason.EPOCHS, EndReason.RUNG, EndReason.CONTRACT}
    assert "search ends: the contract holds on val with trial" in (ended.folder / "study.log").read_text()
    assert json.loads((ended.folder / VERDICT).read_text())["shipped"]


def test_the_front_is_shown_and_one_structure_ships(ended: Ended) -> None:
    notes = Journal.read(ended.folder, metric=read_spec(ended.folder).metric).notes()
    log = (ended.folder / "study.log").read_text()
    assert "on the Pareto front of" in log
    assert notes[SHIPS]["text"] in log
    facts = json.loads((ended.folder / VERDICT).read_text())
    assert facts["shipped"]["params"]["imgsz"] == notes[SHIPS]["params"]["imgsz"]
    assert facts["onnx_cost"]["mb"] > 0


def test_artifacts_are_built_where_their_device_is_and_published_with_their_gates(ended: Ended) -> None:
    registry = Registry(ended.folder.parents[1] / "models", "held")
    facts = json.loads((ended.folder / VERDICT).read_text())
    targets = {one["name"]: one for one in facts["targets"]}

    assert (registry.path(1) / "target-orin.onnx").is_file()
    assert (registry.path(1) / "target-line.xml").is_file() == WITH_OPENVINO
    assert (targets["orin"]["accepted"], targets["igpu"]["accepted"]) == (True, False)
    names = [gate["name"] for gate in targets["orin"]["gates"]]
    assert {"target orin built", "orin objective", "orin confidence", "target orin size_mb"} <= {*names}
    assert targets["orin"]["score"] == facts["onnx_score"]
    (why,) = (gate["text"] for gate in targets["igpu"]["gates"])
    assert "no node has the resource no-such-device of targets.igpu.resource" in why
    assert registry.targets(1) == ({"line", "orin"} if WITH_OPENVINO else {"orin"})
    assert registry.aliases()["champion/orin"] == registry.aliases()["champion"] == 1
    assert "champion/igpu" not in registry.aliases()
    assert registry.verify(1) == []
