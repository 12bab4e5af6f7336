"""How the scripts of launch/ behave: with a stand-in for `ray` that says how it was called, and once really."""

import http.server
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

TREE = Path(__file__).resolve().parents[2]

STAND_IN = """#!{python}
import json, os, pathlib, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
kept = {{name: value for name, value in os.environ.items() if name.startswith(("RAY_", "AUTOML_"))}}
pathlib.Path({told!r}).write_text(json.dumps({{"arguments": sys.argv[1:], "environment": kept, "pid": os.getpid()}}))
if sys.argv[1] == "start":
    listener = socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("--dashboard-port") + 1])))
    print("Ray runtime started.", flush=True)
    signal.pause()
"""


class Shell:
    """Runs the scripts in a home and with a `ray` of their own."""

    def __init__(self, folder: Path) -> None:
        self.home, self.told = folder / "home", folder / "told.json"
        commands = folder / "bin"
        for made in (self.home, commands):
            made.mkdir()
        self.stand_in = commands / "ray"
        self.stand_in.write_text(STAND_IN.format(python=sys.executable, told=str(self.told)))
        self.stand_in.chmod(0o755)
        places = (commands, Path(sys.executable).parent, os.environ["PATH"])
        self.environment = {"HOME": str(self.home), "PATH": os.pathsep.join(map(str, places))}

    def use_real_ray(self) -> None:
        self.stand_in.unlink()

    @property
    def token(self) -> Path:
        return self.home / ".ray" / "auth_token"

    def start(self, script: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", TREE / "launch" / script, *arguments],
            env=self.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str, *arguments: str, **variables: str) -> tuple[int, str]:
        """Return the exit status and what was said on standard error."""
        process = self.start(script, *arguments, **variables)
        _, said = process.communicate(timeout=300)
        return process.returncode, said

    def call(self) -> dict[str, Any]:
        """Return how the stand-in was called."""
        called: dict[str, Any] = json.loads(self.told.read_text())
        return called


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def free_ports() -> dict[str, str]:
    names = ("AUTOML_RAY_PORT", "AUTOML_DASHBOARD_PORT", "AUTOML_CLIENT_PORT")
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = {name: str(listener.getsockname()[1]) for name, listener in zip(names, listeners, strict=True)}
    for listener in listeners:
        listener.close()
    return ports


def lines_until(process: subprocess.Popen[str], last: str) -> list[str]:
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if line.strip().startswith(last):
            break
    return lines


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


class Jobs(http.server.BaseHTTPRequestHandler):
    """Answers as a head does whose token is `given`, and whose jobs ended with status 75."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "Bearer given"
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(b'{"driver_exit_code": 75}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """The address of a head that takes questions."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Jobs) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


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


FOLLOWED = """#!{python}
import sys
job = sys.argv[sys.argv.index("--submission-id") + 1]
how = {how!r}
said = f"Job {{job!r}} {{how}}"
print("Job submission server address: x", "", "-" * 9, f"Job {{job!r}} submitted successfully", "-" * 9, sep="\\n")
print("Tailing logs until the job exits (disable with --no-wait):")
print("the study begins", "-" * 4, "", "the study ends", sep="\\n", flush=True)
to = sys.stderr if how == "failed" else sys.stdout
print("", "-" * len(said), said, "-" * len(said), "", sep="\\n", file=to, flush=True)
if how == "failed":
    print("Status message: the log again:\\nthe study ends")
sys.exit(how == "failed")
"""


@pytest.mark.parametrize(
    ("how", "status", "last"),
    [("succeeded", 0, "exit status 0: done"), ("failed", 75, "exit status 75: the cluster was lost")],
)
def test_the_last_line_of_a_submission_is_its_exit_status_and_what_to_do_next(
    shell: Shell, address: str, how: str, status: int, last: str
) -> None:
    shell.stand_in.write_text(FOLLOWED.format(python=sys.executable, how=how))
    process = shell.start("submit.sh", RAY_AUTH_TOKEN="given", RAY_API_SERVER_ADDRESS=address)
    out, said = process.communicate(timeout=60)
    assert process.returncode == status
    assert out == "the study begins\n----\n\nthe study ends\n"
    assert last in said.splitlines()[-1]


def test_a_submission_that_ray_refuses_is_printed_as_it_is(shell: Shell, address: str) -> None:
    shell.stand_in.write_text("#!/bin/sh\necho no such upload\nexit 2\n")
    process = shell.start("submit.sh", RAY_AUTH_TOKEN="given", RAY_API_SERVER_ADDRESS=address)
    out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "no such upload\n")
    assert "exit status 2: " in said.splitlines()[-1]


def test_the_exit_status_is_that_of_the_job(shell: Shell, address: str) -> None:
    shell.stand_in.write_text("#!/bin/sh\nexit 1\n")
    status, _ = shell.run("submit.sh", RAY_AUTH_TOKEN="given", RAY_API_SERVER_ADDRESS=address)
    assert status == 75


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
