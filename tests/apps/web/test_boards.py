"""Boards beside the page: TensorBoard is shown once it answers, and its end is one message."""

import sys
from pathlib import Path

import pytest

from automl.apps import tensorboard
from automl.apps.web.boards import Boards, ray_dashboard
from automl.study.errors import StudyError
from tests.builders import written

SLOW = """
import http.server, time
time.sleep(0.5)
http.server.HTTPServer(('{host}', {port}), http.server.SimpleHTTPRequestHandler).handle_request()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "parts/trials/0", "events.out.tfevents.1", "").parents[2]


def stand_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(
        tensorboard, "command", lambda _folder, *, host, port: [sys.executable, "-c", text.format(host=host, port=port)]
    )


@pytest.mark.slow
def test_the_address_is_returned_when_it_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, SLOW)
    boards = Boards()
    assert boards.address(folder).startswith("http://127.0.0.1:")
    process, _ = boards._started[folder]
    assert process.wait() == 0  # it has answered once


def test_a_process_that_ends_and_a_study_without_events_are_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, "raise SystemExit(3)")
    with pytest.raises(StudyError, match="TensorBoard must keep running, but ended with status 3"):
        Boards().address(folder)
    with pytest.raises(StudyError, match="must be a study whose first trial has started"):
        Boards().address(tmp_path / "runs/none")


@pytest.mark.parametrize(
    ("log", "address"),
    [
        ("", ""),
        ("x Ray dashboard none\n", ""),
        ("x Ray dashboard 127.0.0.1:8265\ny Ray dashboard 127.0.0.1:8299\n", "http://127.0.0.1:8299"),
    ],
)
def test_the_last_dashboard_of_the_log_is_that_of_the_study(tmp_path: Path, log: str, address: str) -> None:
    written(tmp_path, "study.log", log)
    assert ray_dashboard(tmp_path) == address
