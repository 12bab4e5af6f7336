"""Notifications: what is sent, by a webhook on loopback and a command, and what happens where neither works."""

import http.server
import json
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from automl.apps.cli import app
from automl.study.errors import Interrupted, StudyError
from automl.study.spec_parts import NotifySpec
from automl.tracking.notification import Notifier, event_of, send

SECRET = "T0/9f8e7d6c5b4a39281706"


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what is sent; answers 404 below /gone and a redirect below /moved."""

    received: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response({"/gone": 404, "/moved": 307}.get(self.path, 200))
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a server on loopback, and what it received."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    received: list[dict[str, Any]] = []
    handler = type("Kept", (Receiver,), {"received": received})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()


def test_a_study_says_how_it_ended_and_its_first_trouble_only(hook: Any, tmp_path: Path) -> None:
    address, received = hook
    log = logging.getLogger("automl.cluster.capacity")
    with Notifier(NotifySpec(webhook=address), "cards", tmp_path) as notifier:
        log.warning("cluster: no node can run a trial")
        log.warning("cluster: still none")
        logging.getLogger("automl.tracking.diagnosis.listener").warning("a finding")
        notifier.lines = ("champion cards: version 1",)
    assert [(one["event"], one["text"]) for one in received] == [
        ("trouble", "cluster: no node can run a trial"), ("done", "champion cards: version 1"),
    ]  # fmt: skip
    assert {"study", "folder", "host", "at"} <= {*received[0]}


@pytest.mark.parametrize(("error", "event"), [(Interrupted("SIGTERM"), "stopped"), (StudyError("disk"), "failed")])
def test_a_study_that_ends_otherwise_says_so(hook: Any, tmp_path: Path, error: Exception, event: str) -> None:
    address, received = hook
    with (
        pytest.raises(type(error), match=str(error)),
        Notifier(NotifySpec(webhook=address, events=["end"]), "cards", tmp_path),
    ):
        raise error
    assert [one["event"] for one in received] == [event]


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [("/gone", "HTTP 404"), ("/moved", "HTTP 307"), ("http://127.0.0.1:1/", "Connection refused"),
     ("$AUTOML_NONE", "the variable is not set"), ("file:/none", "No such file or directory")],
)  # fmt: skip
def test_a_failing_webhook_is_said_and_changes_nothing(
    hook: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, wanted: str, problem: str
) -> None:
    address = hook[0] + wanted if wanted.startswith("/") else wanted
    with caplog.at_level(logging.INFO), Notifier(NotifySpec(webhook=address), "cards", tmp_path):
        pass
    assert f"failed: {problem}; the study is not affected" in caplog.text


def test_a_secret_address_is_in_no_message(
    hook: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    address, received = hook
    monkeypatch.setenv("AUTOML_HOOK", f"{address}/{SECRET}")
    (tmp_path / "hook").write_text(f"not an address {SECRET}")
    with caplog.at_level(logging.DEBUG):
        for webhook in ("$AUTOML_HOOK", f"file:{tmp_path / 'hook'}"):
            with Notifier(NotifySpec(webhook=webhook), "cards", tmp_path):
                pass
    assert len(received) == 1
    assert SECRET not in caplog.text + json.dumps(received)


def test_a_command_gets_the_event_and_its_failure_is_its_exit_status(tmp_path: Path) -> None:
    script = f"import sys; open({str(tmp_path / 'got')!r}, 'w').write(sys.stdin.read())"
    event = event_of("cards", "test", "哈", tmp_path)
    assert send(NotifySpec(command=f'{sys.executable} -c "{script}"'), event) == {f"command {sys.executable}": ""}
    assert json.loads((tmp_path / "got").read_text())["text"] == "哈"
    assert [*send(NotifySpec(command="false x"), event).items()] == [("command false", "exit status 1")]
    assert send(NotifySpec(command="/none"), event) == {"command /none": "No such file or directory"}


def test_what_a_command_prints_and_a_name_that_is_no_utf_8_change_nothing(hook: Any, tmp_path: Path) -> None:
    address, received = hook
    script = f"import sys; sys.stdout.buffer.write(b'\\xff' * 9); sys.exit({3})"
    wanted = NotifySpec(command=f'{sys.executable} -c "{script}"', webhook=address)
    found = send(wanted, event_of("cards", "test", "weights\udcff.pt", tmp_path))
    assert found == {f"webhook {address}": "", f"command {sys.executable}": "exit status 3"}
    assert received[0]["text"] == "weights?.pt"


def test_notify_tries_the_ways_of_a_description(hook: Any) -> None:
    address, received = hook
    done = CliRunner().invoke(app, ["notify", "--set", f"notify.webhook={address}"])
    assert (done.exit_code, done.stdout) == (0, f"webhook {address}: sent\n")
    assert received[0]["event"] == "test"
    failed = CliRunner().invoke(app, ["notify", "--set", f"notify.webhook={address}/gone"])
    assert (failed.exit_code, failed.stdout) == (2, f"webhook {address}: HTTP 404\n")
    without = CliRunner().invoke(app, ["notify"])
    assert "must have notify.webhook or notify.command, but has none" in without.stderr
    secret = CliRunner().invoke(app, ["notify", "--set", f"notify.webhook={address}/{SECRET}"])
    assert secret.exit_code == 2
    assert "notify.webhook: must not contain a token" in secret.stderr
    assert SECRET not in secret.stderr
