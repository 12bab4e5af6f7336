"""An engine of TensorRT from a kit, on the stand-in of a machine: built, taken back, served there and nowhere else."""

import argparse
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from automl.apps.device_built import take_back
from automl.apps.serve.version import load
from automl.release import device_script
from automl.study import Target
from automl.study.errors import RegistryError
from tests.apps.serve.test_tensorrt_backend import VERSION, machine
from tests.apps.test_device_kit import kit_of, registry

CHOSEN: dict[str, Any] = {"hardware_compatible": True, "version_compatible": False}
NOTHING: dict[str, Any] = {"hardware_compatible": False, "version_compatible": False}


def with_builder() -> SimpleNamespace:
    """Give the stand-in of TensorRT a builder, and return its settings."""
    module: Any = sys.modules["tensorrt"]
    settings = SimpleNamespace(timings=[], builds=[])
    settings.create_timing_cache = lambda known: known or b"timed"
    settings.set_timing_cache = lambda cache, _ignored: settings.timings.append(cache)
    settings.get_timing_cache = lambda: SimpleNamespace(serialize=lambda: settings.timings[-1] + b"+")
    network = SimpleNamespace(get_input=lambda _index: SimpleNamespace(shape=(1, 3, 64, 64)))

    def fresh() -> SimpleNamespace:
        settings.hardware_compatibility_level, settings.flags = "none", []
        settings.set_flag = settings.flags.append
        return settings

    def built(_network: Any, _settings: Any) -> bytes:
        settings.builds.append((settings.hardware_compatibility_level, *settings.flags))
        return b"plan of the device"

    builder = SimpleNamespace(
        create_network=lambda _flags: network, create_builder_config=fresh, build_serialized_network=built
    )
    module.Logger.WARNING = 2
    module.Builder = lambda _logger: builder
    module.NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
    module.OnnxParser = lambda _network, _logger: SimpleNamespace(parse_from_file=lambda path: Path(path).is_file())
    module.BuilderFlag = SimpleNamespace(VERSION_COMPATIBLE="version")
    module.HardwareCompatibilityLevel = SimpleNamespace(AMPERE_PLUS="ampere")
    return settings


def test_an_engine_of_a_device_is_a_version_s_artifact_for_its_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = registry(tmp_path / "made", Target("orin", "onnx", "fp16", 0.01))
    kit = kit_of(registered, tmp_path / "kit", "orin", runtime="tensorrt")
    machine(monkeypatch, kit / "model.onnx", capability=(8, 7))
    settings = with_builder()
    monkeypatch.setattr(device_script, "HERE", kit)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", lambda _: argparse.Namespace(**CHOSEN))
    device_script.main()
    device_script.main()

    assert settings.timings == [b"timed", b"timed+", b"timed++", b"timed+++"]  # kept for the next build
    assert settings.builds == [("ampere",), ("none",)] * 2  # the second shows what compatibility costs
    assert f"by tensorrt {VERSION}" in take_back(registered, kit)
    assert (registered.path(2) / "target-orin.engine").read_bytes() == b"plan of the device"
    facts = json.loads((registered.path(2) / "target-orin.json").read_text())["engine"]
    assert (facts["capabilities"], facts["hardware"]) == (["8.7"], "ampere_plus")
    record = json.loads((registered.path(2) / "target-orin.json").read_text())
    assert record["without_compatibility"]["mb"] == record["mb"] == len(b"plan of the device") / 1e6
    assert record["without_compatibility"]["latency_ms"]["p50"] > 0
    assert load(registered, 2, target="orin").path.name == "target-orin.engine"
    machine(monkeypatch, kit / "model.onnx", capability=(7, 5))
    with pytest.raises(RegistryError, match=r"compute capability 8\.0 or more, but the GPU of this machine has 7\.5"):
        load(registered, 2, target="orin")
    assert load(registered, 1, target="orin").path.name == "target-orin.onnx"


def test_a_kit_builds_the_engine_that_the_description_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = Target("orin", "onnx", "fp16", 0.01, compatible=("hardware", "version"))
    registered = registry(tmp_path / "made", wanted)
    kit = kit_of(registered, tmp_path / "kit", "orin", runtime="tensorrt")
    machine(monkeypatch, kit / "model.onnx", capability=(8, 7))
    settings = with_builder()
    monkeypatch.setattr(device_script, "HERE", kit)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", lambda _: argparse.Namespace(**NOTHING))
    device_script.main()

    assert json.loads((kit / "kit.json").read_text())["compatible"] == ["hardware", "version"]
    assert settings.builds == [("ampere", "version"), ("none",)]
    assert "ms if built for this GPU and version alone)" in capsys.readouterr().out
    assert "if not compatible)" in take_back(registered, kit)
    engine = json.loads((registered.path(2) / "target-orin.json").read_text())["engine"]
    assert (engine["hardware"], engine["version_compatible"]) == ("ampere_plus", True)


def test_a_device_whose_tensorrt_refuses_the_model_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = registry(tmp_path / "made", Target("orin", "onnx", "fp16", 0.01))
    kit = kit_of(registered, tmp_path / "kit", "orin", runtime="tensorrt")
    machine(monkeypatch, kit / "model.onnx", capability=(8, 7))
    with_builder()
    sys.modules["tensorrt"].Builder(None).build_serialized_network = lambda *_: None
    monkeypatch.setattr(device_script, "HERE", kit)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", lambda _: argparse.Namespace(**NOTHING))
    with pytest.raises(SystemExit, match=r"model\.onnx: tensorrt could not build an engine"):
        device_script.main()
