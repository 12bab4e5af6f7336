"""The serving process: what it says at the start, and one message where it cannot start."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from automl.apps.serve import __main__ as process
from automl.storage.registry import Registry
from tests.builders import written


def test_a_taken_port_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert process.main([str(tmp_path), f"--port={port}"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"automl: --port: 127.0.0.1:{port} must be free, but ")
    assert told.count("\n") == 1


def test_answers_do_not_wait_for_delayed_acknowledgements() -> None:
    with process.listening("127.0.0.1", 0) as heard, socket.create_connection(heard.getsockname()):
        accepted, _ = heard.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_model_that_cannot_be_loaded_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = Registry(tmp_path, "boards")
    held.publish({"model.onnx": written(tmp_path, "model.onnx", "no model")}, {})
    assert process.main([str(held.folder), "--version=1", "--port=0"]) == 2
    assert "model.onnx: must be a model that ONNX Runtime can load" in capsys.readouterr().err


def test_the_serving_process_brings_in_no_training() -> None:
    code = "import sys, automl.apps.serve.__main__; print({'torch', 'ray', 'ultralytics', 'optuna'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
