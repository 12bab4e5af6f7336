"""The doors to the network are shut before Ultralytics is imported."""

import importlib
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from automl.trainers import yolo
from automl.trainers.yolo import offline

PROBE = """
import os
os.environ |= {"ULTRALYTICS_API_KEY": "secret", "YOLO_OFFLINE": "0", "YOLO_CONFIG_DIR": "/nowhere"}
from automl.trainers.yolo import offline
first, second = offline.disable_network(), offline.disable_network()
print(first == second, "ULTRALYTICS_API_KEY" in os.environ, os.environ["YOLO_CONFIG_DIR"] == str(first))
print(sorted(path.name for path in (first / "Ultralytics").iterdir()))
print(*(f"{name}={os.environ[name]}" for name in offline.ENVIRONMENT))
print(first)
"""


@pytest.fixture(scope="module")
def lines() -> list[str]:
    found = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    return found.stdout.splitlines()


def test_every_process_has_a_settings_folder_of_its_own_and_no_key(lines: list[str]) -> None:
    assert lines[0] == "True False True"


def test_fonts_are_there_so_that_none_is_fetched(lines: list[str]) -> None:
    assert lines[1] == str(sorted(offline.FONTS))


def test_the_environment_is_set_whatever_it_was(lines: list[str]) -> None:
    assert lines[2] == " ".join(f"{name}={value}" for name, value in offline.ENVIRONMENT.items())


def test_the_settings_folder_goes_with_the_process(lines: list[str]) -> None:
    assert Path(lines[3]).parent == Path(tempfile.gettempdir())
    assert not Path(lines[3]).exists()


def test_every_integration_is_closed() -> None:
    assert offline.disabled_integrations() == dict.fromkeys(("sync", *offline.INTEGRATIONS), False)


@pytest.mark.yolo
def test_ultralytics_knows_every_door_that_is_shut() -> None:
    yolo.settings()  # the doors must be shut before the import
    found = importlib.import_module("ultralytics").settings
    closed = offline.disabled_integrations()
    assert {name: found[name] for name in closed} == closed


@pytest.mark.yolo
def test_no_download_gets_as_far_as_a_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yolo.settings()
    downloads = importlib.import_module("ultralytics.utils.downloads")
    requests = importlib.import_module("requests")
    monkeypatch.setattr(requests, "get", lambda *_args, **_kwargs: pytest.fail("a request was made"))
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConnectionError, match="downloads are disabled"):
        downloads.attempt_download_asset(str(tmp_path / "yolo26n.pt"))
    weights = importlib.import_module("ultralytics.utils").WEIGHTS_DIR
    assert not weights.is_relative_to(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.yolo
def test_the_check_of_mixed_precision_is_skipped_as_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    yolo.settings()
    checks = importlib.import_module("ultralytics.utils.checks")
    torch = importlib.import_module("torch")
    model = torch.nn.Linear(1, 1)
    device = type("Device", (), {"type": "cuda", "index": 0})()
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _device: "NVIDIA H100")
    monkeypatch.setattr(type(model), "parameters", lambda _self: iter([type("Parameter", (), {"device": device})()]))

    assert checks.check_amp(model) is True
