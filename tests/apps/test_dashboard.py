"""Optuna Dashboard opens on a study's journal as it is, and `automl dashboard` on one that it cannot change."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from automl.apps import dashboard
from automl.apps.cli import app
from automl.storage.journal import Journal
from automl.storage.layout import JOURNAL
from automl.study.errors import StudyError
from tests.builders import METRIC
from tests.free_port import free_port
from tests.past_studies import past

NOTE = json.dumps({"body": "looks good", "version": 1})


def asked(port: int, method: str, path: str, body: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body or None, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def served(*command: str) -> Iterator[int]:
    """Run a server on a free port until it answers, and end it."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, *command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and process.poll() is None:
            try:
                asked(port, "GET", "/api/meta")
                break
            except OSError:
                time.sleep(0.2)
        assert process.poll() is None, process.stderr and process.stderr.read()
        yield port
    finally:
        process.terminate()
        process.communicate()


def study_of(port: int) -> dict[str, Any]:
    (summary,) = json.loads(asked(port, "GET", "/api/studies")[1])["study_summaries"]
    found: dict[str, Any] = json.loads(asked(port, "GET", f"/api/studies/{summary['study_id']}?after=0")[1])
    return found


def check_study(found: dict[str, Any], folder: Path) -> None:
    trials = Journal.read(folder, metric=METRIC).trials()
    assert [trial["number"] for trial in found["trials"]] == [trial.number for trial in trials]
    best = found["trials"][7]
    assert (best["state"], best["values"]) == ("Complete", [0.7])
    assert {param["name"] for param in best["params"]} == {"lr0", "optimizer"}
    assert len(best["intermediate_values"]) == trials[7].epoch
    assert {trial["state"] for trial in found["trials"]} == {"Complete", "Pruned"}


@pytest.mark.slow
def test_the_dashboard_opens_a_journal_as_it_is(tmp_path: Path) -> None:
    folder = past(tmp_path)
    before = (folder / JOURNAL).read_bytes()
    with served("-m", "optuna_dashboard._cli", str(folder / JOURNAL)) as port:
        check_study(study_of(port), folder)
        status, page = asked(port, "GET", "/dashboard/studies/0")
        assert (status, b"<title>Optuna Dashboard</title>" in page) == (200, True)
    assert (folder / JOURNAL).read_bytes() == before


@pytest.mark.slow
def test_a_study_is_served_and_not_changed(tmp_path: Path) -> None:
    folder = past(tmp_path)
    before = (folder / JOURNAL).read_bytes()
    with served("-c", "from automl.apps.cli import app; app()", "dashboard", str(folder)) as port:
        check_study(study_of(port), folder)
        for method, path in (("PUT", "/api/studies/0/note"), ("DELETE", "/api/studies/0"), ("POST", "/api/studies")):
            status, answer = asked(port, method, path, NOTE)
            assert (status, b"changes nothing" in answer) == (403, True)
        assert asked(port, "GET", "/api/studies")[0] == 200
    assert (folder / JOURNAL).read_bytes() == before
    assert [path.name for path in folder.iterdir() if path.name.startswith(JOURNAL)] == [JOURNAL]


@pytest.mark.slow
def test_what_the_stock_dashboard_writes_would_damage_the_journal(tmp_path: Path) -> None:
    """The reason for the read-only one."""
    import optuna_dashboard  # noqa: PLC0415  (takes a second to import)

    folder = past(tmp_path)
    written: list[Any] = []
    body = {"REQUEST_METHOD": "PUT", "PATH_INFO": "/api/studies/0/note", "CONTENT_TYPE": "application/json"}
    inner = optuna_dashboard.wsgi(str(folder / JOURNAL))
    with (tmp_path / "note").open("w+b") as stream:
        stream.write(NOTE.encode())
        stream.seek(0)
        environ = body | {"wsgi.input": stream, "CONTENT_LENGTH": str(len(NOTE))}
        list(inner(environ, lambda *given: written.append(given)))
    assert written[0][0].startswith("204")
    with pytest.raises(StudyError, match="the checksum must match, but the line is damaged"):
        Journal.read(folder, metric=METRIC)


@pytest.mark.slow
def test_without_the_package_the_message_has_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    done = CliRunner().invoke(app, ["dashboard", str(past(tmp_path))])
    assert done.exit_code == 2
    assert "pip install 'yolo-automl-ray[dashboard]'" in done.output


@pytest.mark.slow
def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StudyError, match=f"--port: must be free on 127.0.0.1, but {port} is not"):
            dashboard.serve(past(tmp_path), host="127.0.0.1", port=port)
