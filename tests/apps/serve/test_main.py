"""The serving process: what it says at the start, and one message where it cannot start."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from automl.apps.serve import __main__ as process
from automl.apps.serve.follower import opened
from automl.storage import sealed_json
from automl.storage.registry import Registry
from automl.study.errors import RegistryError
from tests import detectors
from tests.builders import written


def test_a_taken_port_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert process.main([str(tmp_path), f"--port={port}"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"automl: --port: 127.0.0.1:{port} must be free, but ")
    assert told.count("\n") == 1


def test_the_port_opens_when_the_model_is_ready() -> None:
    with process.bound("127.0.0.1", 0) as heard:
        with pytest.raises(ConnectionRefusedError, match="refused"):
            socket.create_connection(heard.getsockname())
        process.listen(heard, "127.0.0.1")
        socket.create_connection(heard.getsockname()).close()


def test_a_port_that_is_taken_while_the_model_is_loaded_is_told() -> None:
    with process.bound("127.0.0.1", 0) as heard, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(heard.getsockname())
        other.listen()
        with pytest.raises(RegistryError, match=r"--port: 127\.0\.0\.1:\d+ must be free, but "):
            process.listen(heard, "127.0.0.1")


def test_answers_do_not_wait_for_delayed_acknowledgements() -> None:
    with process.bound("127.0.0.1", 0) as heard:
        process.listen(heard, "127.0.0.1")
        client = socket.create_connection(heard.getsockname())
        accepted, _ = heard.accept()
        with client, accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_model_that_cannot_be_loaded_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = Registry(tmp_path, "boards")
    held.publish({"model.onnx": written(tmp_path, "model.onnx", "no model")}, {})
    assert process.main([str(held.folder), "--version=1", "--port=0"]) == 2
    assert "model.onnx: must be a model that ONNX Runtime can load" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["champion", "previous"])
def test_an_alias_that_the_history_does_not_lead_to_is_not_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    held = Registry(tmp_path, "boards")
    for number in (1, 2):
        held.publish({"model.onnx": written(tmp_path, "model.onnx", f"model {number}")}, {})
        held.promote(number, why="better")
    sealed_json.write(held.folder / "aliases.json", {"champion": 1, "previous": 2, "challenger": 2, "lines": 4})
    assert process.main([str(held.folder), f"--version={version}", "--port=0"]) == 2
    told = capsys.readouterr().err
    assert "aliases.json: must be what history.jsonl leads to, but is {'champion': 1" in told
    assert told.count("\n") == 1


@pytest.mark.slow
def test_the_serving_process_brings_in_no_training() -> None:
    code = "import sys, automl.apps.serve.__main__; print({'torch', 'ray', 'ultralytics', 'optuna'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize(("reference", "alias"), [("champion", "champion"), ("1", "")])
def test_an_alias_is_followed_and_a_number_is_fixed(tmp_path: Path, reference: str, alias: str) -> None:
    held = opened(detectors.registered(tmp_path, 1.0).folder, reference)
    assert (held.current.number, held.alias) == (1, alias)
    told = process.startup_message(held, "127.0.0.1", 8000)
    assert told.startswith("boards version 1: ready at http://127.0.0.1:8000\n")
    assert told.endswith("  follows   the alias champion" if alias else "  follows   no alias: this version is fixed")
