"""How the scripts of launch/ behave: with a stand-in for `ray` that says how it was called, and once really."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

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


def test_a_submission_carries_the_stop_the_storage_and_the_words(shell: Shell, address: str) -> None:
    words = ("search_spaces/smoke.yaml", "--set", "budget.trials=2", "--name", "with space")
    given = {"RAY_AUTH_TOKEN": "given", "RAY_API_SERVER_ADDRESS": address, "AUTOML_STORAGE": '/a "b" c'}
    status, said = shell.run("submit.sh", *words, **given)
    arguments = shell.call()["arguments"]
    environment = json.loads(arguments[arguments.index("--runtime-env-json") + 1])["env_vars"]
    assert status == 0
    assert environment == {
        "RAY_JOB_STOP_SIGNAL": "SIGTERM",
        "RAY_JOB_STOP_WAIT_TIME_S": "60",
        "AUTOML_STORAGE": '/a "b" c',
    }
    assert arguments[:2] == ["job", "submit"]
    metadata = json.loads(arguments[arguments.index("--metadata-json") + 1])
    assert metadata == {"job_name": "with space", "study": "with space", "data": "sample"}
    job = arguments[arguments.index("--submission-id") + 1]
    assert f"RAY_AUTH_MODE=token ray job stop --address {address} {job}" in said
    assert arguments[arguments.index("--working-dir") + 1] == "."
    assert arguments[arguments.index("--") + 1 :] == ["python", "automl/search.py", *words]
    assert shell.call()["environment"]["RAY_AUTH_MODE"] == "token"


def test_a_submission_without_a_token_is_refused_before_it_is_sent(shell: Shell) -> None:
    status, said = shell.run("submit.sh")
    assert status == 2
    assert f"{shell.token} must contain the cluster's token, but does not" in said
    assert not shell.told.exists()


def test_a_submission_of_a_spec_that_would_not_travel_is_refused(shell: Shell, tmp_path: Path) -> None:
    spec = tmp_path / "none.yaml"
    status, said = shell.run("submit.sh", str(spec), RAY_AUTH_TOKEN="given")
    assert status == 2
    assert f"{spec}: must be a spec in {TREE}" in said


@pytest.mark.parametrize("words", [("--data", "boards/data.yaml"), ("--data=boards/data.yaml",)])
def test_a_relative_data_set_is_refused_before_it_is_sent(shell: Shell, words: tuple[str, ...]) -> None:
    status, said = shell.run("submit.sh", *words, RAY_AUTH_TOKEN="given")
    assert status == 2
    assert "boards/data.yaml: --data must be an absolute path on the cluster's nodes, but is relative" in said
    assert not shell.told.exists()


def test_a_wrong_token_and_a_head_that_is_not_there_are_one_line_each(shell: Shell, address: str) -> None:
    status, said = shell.run("submit.sh", RAY_AUTH_TOKEN="another", RAY_API_SERVER_ADDRESS=address)
    assert (status, len(said.splitlines())) == (2, 1)
    assert "must be a Ray head, but does not accept the token" in said
    status, said = shell.run("submit.sh", RAY_AUTH_TOKEN="given", RAY_API_SERVER_ADDRESS="http://127.0.0.1:1")
    assert (status, len(said.splitlines())) == (2, 1)
    assert "Connection refused; set RAY_API_SERVER_ADDRESS, or start one: launch/local.sh" in said
    assert not shell.told.exists()


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_is_the_usage_and_sends_nothing(shell: Shell, word: str) -> None:
    process = shell.start("submit.sh", word)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "launch/submit.sh [SPEC] [options of automl search]" in said
    assert "set -euo" not in said
    assert not shell.told.exists()


@pytest.mark.ray
def test_a_real_head_takes_a_study_with_the_token_and_refuses_one_without(shell: Shell, tmp_path: Path) -> None:
    shell.use_real_ray()
    # Not below tmp_path, whose name is too long for the sockets.
    with tempfile.TemporaryDirectory(prefix="ray-") as short:
        ports = free_ports()
        process = shell.start("local.sh", "--num-cpus", "1", AUTOML_RAY_TEMP=short, **ports)
        try:
            lines_until(process, "kill ")
            address = f"http://127.0.0.1:{ports['AUTOML_DASHBOARD_PORT']}"
            storage = {"RAY_API_SERVER_ADDRESS": address, "AUTOML_STORAGE": str(tmp_path)}
            planned = shell.start("submit.sh", "--plan", "--name", "planned", **storage)
            told, last = planned.communicate(timeout=600)
            refused, said = shell.run("submit.sh", "--plan", RAY_AUTH_TOKEN="another", **storage)
        finally:
            process.terminate()
            process.communicate(timeout=300)
    assert "study planned: " in told
    assert "succeeded" not in told
    assert last.splitlines()[-1].endswith(": exit status 0: done")
    assert refused == 2
    assert "must be a Ray head, but does not accept the token" in said
