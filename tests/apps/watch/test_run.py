"""`automl watch`: a line of JSON for each picture, and the same records at a web address."""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from automl.apps.cli import app
from automl.apps.serve.follower import Serving, opened
from automl.apps.watch import run
from automl.apps.watch.address import Address
from automl.apps.watch.frames import Frame
from automl.storage.registry import Registry
from tests import detectors
from tests.apps.predict.test_run import image, scene, video
from tests.processes import ended
from tests.rtsp_camera import camera


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return detectors.registered(tmp_path, 0.95, 0.6)


def watch(registry: Registry, source: object, *more: object) -> Result:
    words = ["watch", f"{registry.folder}@champion", str(source), *map(str, more)]
    return CliRunner().invoke(app, words, env={"COLUMNS": "200"})


def records(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_video_gives_a_record_for_each_frame(registry: Registry, tmp_path: Path) -> None:
    path = video(tmp_path / "clip.avi")
    found = watch(registry, path)
    assert found.exit_code == 0, found.output
    lines = records(found)
    assert [line["frame"] for line in lines] == list(range(10))
    assert {(line["model"], line["version"], line["source"]) for line in lines} == {("boards", 1, str(path))}
    assert [line["boxes"][0]["box"][0] for line in lines] == [8 * (at % 8) for at in range(10)]


def test_unsure_pictures_are_kept_for_labelling(registry: Registry, tmp_path: Path) -> None:
    kept = tmp_path / "field"
    found = watch(registry, video(tmp_path / "clip.avi"), "--field", kept, "--conf", "0.9")
    assert found.exit_code == 0, found.output
    names = {line["kept"] for line in records(found) if "kept" in line}
    assert names
    assert {path.stem for path in kept.glob("*.jpg")} == names
    note = json.loads((kept / f"{min(names)}.json").read_text())
    assert (note["why"], note["model"], note["version"]) == ("unsure", "boards", 1)


@pytest.mark.parametrize(("source", "law"), [("none", "but does not exist"), ("models", "")])
def test_a_source_that_is_none_is_told(registry: Registry, tmp_path: Path, source: str, law: str) -> None:
    if source == "models":
        source, law = str(registry.folder / "aliases.json"), "but is none"
    found = watch(registry, tmp_path / source)
    assert found.exit_code == 2
    assert "must be a folder, a video" in found.stderr
    assert law in found.stderr


def test_the_next_version_takes_over(registry: Registry) -> None:
    serving: Serving = opened(registry.folder, "champion")

    def frames() -> Iterator[Frame]:
        yield Frame({"file": "a.png"}, scene((1, 1)), at="now")
        registry.promote(2, why="better")
        serving.poll()
        yield Frame({"file": "b.png"}, scene((1, 1)), at="now")
        yield Frame({"file": "c.png"}, error="must be readable, but it is not", at="now")

    found = list(run.records(serving, frames(), run.Source(Address("/in")), lambda recorded: recorded))
    assert [(one["version"], one["file"]) for one in found] == [(1, "a.png"), (2, "b.png"), (2, "c.png")]
    assert [one["boxes"][0]["confidence"] for one in found[:2]] == pytest.approx([0.95, 0.6], abs=1e-3)
    assert found[2] == {
        "model": "boards", "version": 2, "source": "/in", "at": "now", "file": "c.png",
        "error": "must be readable, but it is not",
    }  # fmt: skip


@contextmanager
def web(codes: list[int]) -> Iterator[tuple[str, list[Any], list[str]]]:
    """Run a web server that answers with some codes, then with 200."""
    bodies: list[Any] = []
    logins: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            code = codes.pop(0) if codes else 200
            if code == 200:
                bodies.append(json.loads(content))
                logins.append(self.headers.get("authorization", ""))
            self.send_response(code)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}/in", bodies, logins
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_records_are_posted_and_a_password_is_never_shown(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = video(tmp_path / "clip.avi")
    with web([500, 503]) as (address, bodies, logins):
        monkeypatch.setenv("RECEIVER", f"http://line:secret@{address}")
        found = watch(registry, path, "--post", "env:RECEIVER")
    assert found.exit_code == 0, found.output
    assert bodies == records(found)
    assert set(logins) == {"Basic " + base64.b64encode(b"line:secret").decode()}
    assert "secret" not in found.output


@pytest.mark.slow
def test_a_receiver_that_is_not_there_is_told_at_the_end(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "FLUSH_SECONDS", 0.5)
    found = watch(registry, video(tmp_path / "clip.avi"), "--post", "http://user:secret@127.0.0.1:9/x")
    assert found.exit_code == 2
    assert "http://***@127.0.0.1:9/x: must take all records, but did not take 10" in found.stderr
    assert "secret" not in found.output


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_watch_that_is_stopped_delivers_what_it_has_printed(registry: Registry, tmp_path: Path, how: int) -> None:
    (tmp_path / "in").mkdir()
    image(tmp_path / "in" / "a.png", (1, 1))
    command = (
        "from automl.apps.watch import run; vars(run)['STOP_SECONDS'] = 300.0; from automl.apps.cli import app; app()"
    )
    with web([]) as (address, bodies, _logins):
        words = [sys.executable, "-c", command, "watch", str(registry.folder), str(tmp_path / "in")]
        with ended(
            subprocess.Popen([*words, "--post", f"http://{address}"], stdout=subprocess.PIPE, text=True)
        ) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            process.send_signal(how)
            assert process.wait(300) == 130
    assert bodies == [json.loads(line)]


@pytest.mark.slow
def test_a_camera_is_watched_and_its_password_is_in_no_output(registry: Registry) -> None:
    command = "from automl.apps.cli import app; app()"
    with camera(login="admin:secret", seconds=0.02) as source:
        words = [sys.executable, "-c", command, "watch", str(registry.folder), "env:CAMERA"]
        given = {**os.environ, "CAMERA": f"rtsp://admin:secret@127.0.0.1:{source.port}/live"}
        with ended(
            subprocess.Popen(words, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        ) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(20)]
            process.terminate()
            _, told = process.communicate(timeout=300)
    found = [json.loads(line) for line in lines]
    assert {one["source"] for one in found} == {f"rtsp://***@127.0.0.1:{source.port}/live"}
    assert [one["frame"] for one in found] == sorted({one["frame"] for one in found})
    assert all(one["boxes"][0]["box"][0] == pytest.approx(8 * (one["frame"] % 8), abs=1) for one in found)
    assert "connected, frames of 64 x 64 pixels" in told
    assert "secret" not in told + "".join(lines)
