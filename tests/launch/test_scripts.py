"""How the scripts of launch/ behave: with a stand-in for `ray` that says how it was called, and once really."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from automl.trainers import registration
from tests import tiny_trainer
from tests.launch.shell import TREE, Shell, free_ports, lines_until

Head = tuple[subprocess.Popen[str], list[str], Mapping[str, str]]


@pytest.fixture
def head(shell: Shell, tmp_path: Path) -> Iterator[Head]:
    """A local head, what it said, and its ports; stopped at the end whatever happened."""
    ports = free_ports()
    process = shell.start("local.sh", "--num-cpus", "2", AUTOML_RAY_TEMP=str(tmp_path / "ray"), **ports)
    try:
        yield process, lines_until(process, "kill "), ports
    finally:
        process.terminate()
        process.communicate(timeout=300)


def test_a_local_head_gets_a_new_token_that_only_its_owner_reads(head: Head, shell: Shell) -> None:
    del head
    assert stat.S_IMODE(shell.token.stat().st_mode) == 0o600
    assert re.fullmatch(r"[0-9a-f]{64}", shell.token.read_text())
    assert shell.call()["environment"]["RAY_AUTH_MODE"] == "token"
    assert shell.call()["environment"]["RAY_AUTH_TOKEN_PATH"] == str(shell.token)


def test_a_local_head_takes_the_ports_and_options_it_is_given(head: Head, shell: Shell) -> None:
    _, _, ports = head
    arguments = shell.call()["arguments"]
    assert arguments[arguments.index("--port") + 1] == ports["AUTOML_RAY_PORT"]
    assert arguments[-2:] == ["--num-cpus", "2"]


def test_a_local_head_says_what_to_type_next(head: Head, shell: Shell) -> None:
    process, said, ports = head
    submit = next(line for line in said if "launch/submit.sh" in line)
    assert f"RAY_API_SERVER_ADDRESS=http://127.0.0.1:{ports['AUTOML_DASHBOARD_PORT']} " in submit
    assert f"RAY_AUTH_TOKEN_PATH={shell.token} " in submit
    assert said[-1] == f"kill {process.pid}"


def test_a_local_head_ends_with_its_script(head: Head, shell: Shell) -> None:
    process, _, _ = head
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=300) == 0
    with pytest.raises(ProcessLookupError, match="No such process"):
        os.kill(shell.call()["pid"], 0)


def test_a_token_that_is_there_is_kept(shell: Shell, tmp_path: Path) -> None:
    shell.token.parent.mkdir()
    shell.token.write_text("a token")
    shell.token.chmod(0o644)
    process = shell.start("local.sh", AUTOML_RAY_TEMP=str(tmp_path / "ray"), **free_ports())
    lines_until(process, "kill ")
    process.terminate()
    process.communicate(timeout=300)
    assert shell.token.read_text() == "a token"
    assert stat.S_IMODE(shell.token.stat().st_mode) == 0o600


@pytest.mark.parametrize("taken", ["AUTOML_RAY_PORT", "AUTOML_DASHBOARD_PORT", "AUTOML_CLIENT_PORT"])
def test_a_local_head_refuses_a_port_that_is_taken(shell: Shell, taken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        status, said = shell.run("local.sh", **free_ports() | {taken: port})
    assert status == 2
    assert f"port {port} must be free, but something listens there" in said
    assert not shell.told.exists()


@pytest.mark.ray
@pytest.mark.slow
def test_a_real_head_takes_a_study_once_stops_it_in_order_and_refuses_a_wrong_token(
    shell: Shell, tmp_path: Path, data: Path
) -> None:
    shell.use_real_ray()
    study = {
        "name": "cards", "model": tiny_trainer.MODEL, "data": str(data), "budget": {"trials": 40},
        "ladder": {"min_epochs": 4, "max_epochs": 9}, "train": {"optimizer": "SGD", "epoch_seconds": 0.5, "imgsz": 32},
        "space": {"lr0": {"low": 0.001, "high": 0.1, "default": 0.01}},
        "export": {"engine": "none", "end_to_end": False},
    }  # fmt: skip
    spec = tmp_path / "tree" / "cards.yaml"
    spec.parent.mkdir()
    spec.write_text(json.dumps(study))
    shell.environment |= {
        "PYTHONPATH": str(TREE), registration.REGISTERED: f"{tiny_trainer.NAME}={tiny_trainer.__name__}",
        registration.CHOSEN: tiny_trainer.NAME,
    }  # fmt: skip
    # Not below tmp_path, whose name is too long for the sockets.
    with tempfile.TemporaryDirectory(prefix="ray-") as short:
        ports = free_ports()
        process = shell.start("local.sh", "--num-cpus", "1", AUTOML_RAY_TEMP=short, **ports)
        try:
            lines_until(process, "kill ")
            address = f"http://127.0.0.1:{ports['AUTOML_DASHBOARD_PORT']}"
            head = {"RAY_API_SERVER_ADDRESS": address, "AUTOML_STORAGE": str(tmp_path)}
            _, first = shell.verb(spec.parent, "submit", "cards.yaml", "--detach", **head)
            _, again = shell.verb(spec.parent, "submit", "cards.yaml", "--detach", **head)
            wait_for(tmp_path / "runs" / "cards" / "journal.log", "seconds")
            stopped, ended = shell.verb(spec.parent, "stop", "cards", **head)
            refused, said = shell.verb(spec.parent, "stop", "cards", RAY_AUTH_TOKEN="another", **head)
            planned, last = shell.verb(spec.parent, "submit", "cards.yaml", "--plan", "--name", "planned", **head)
        finally:
            process.terminate()
            process.communicate(timeout=300)
    assert "job automl-cards-1: submitted" in first
    assert "job automl-cards-1: runs this study already" in again
    assert (stopped, "stopped; submit the same again to resume it" in ended) == (0, True), ended
    assert (refused, "must be a Ray head, but does not accept the token" in said) == (2, True)
    assert planned == 0, last
    assert last.splitlines()[-1].endswith(": exit status 0: done")


def wait_for(path: Path, text: str) -> None:
    """Wait until a file contains a text."""
    until = time.monotonic() + 600
    while not (path.is_file() and text in path.read_text()):
        assert time.monotonic() < until, path
        time.sleep(0.2)
