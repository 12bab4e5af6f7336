"""Pictures of a source: each file once and whole, each frame of a video, the newest frame of a stream."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from automl.apps.serve.images import Limits
from automl.apps.watch.address import Address
from automl.apps.watch.frames import Frame, Stream, of_folder, of_video
from tests.apps.predict.test_run import image, video
from tests.builders import written
from tests.guarded_worker import wait_until
from tests.rtsp_camera import camera


class Looks:
    """Actions between the looks at a folder, instead of waiting; then the end."""

    class End(Exception):  # noqa: N818
        """No more looks."""

    def __init__(self, *actions: object) -> None:
        self.actions = iter(actions)

    def __call__(self, _seconds: float) -> None:
        action = next(self.actions, self.End)
        if action is self.End:
            raise self.End
        if callable(action):
            action()


def places(frames: Iterator[Frame]) -> list[str]:
    found: list[str] = []
    with suppress(Looks.End):
        found.extend(f"{frame.place['file']}{': ' + frame.error if frame.error else ''}" for frame in frames)
    return found


def test_each_image_of_a_folder_is_read_once_and_again_when_it_is_replaced(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    written(tmp_path, "notes.txt", "x")
    looks = Looks(
        None, None, lambda: image(tmp_path / "b.png"), None, None, lambda: image(tmp_path / "a.png", (1, 1)), None,
        None, (tmp_path / "b.png").unlink, None,
    )  # fmt: skip
    assert places(of_folder(tmp_path, Limits(), sleep=looks)) == ["a.png", "b.png", "a.png"]


def test_a_file_that_grows_is_not_read(tmp_path: Path) -> None:
    content = cv2.imencode(".png", np.zeros((20, 30, 3), np.uint8))[1].tobytes()
    path = tmp_path / "a.png"

    def grow(size: int) -> None:
        path.write_bytes(content[:size])

    looks = Looks(*(lambda size=size: grow(size) for size in (10, 20, len(content))), None, None)
    assert places(of_folder(tmp_path, Limits(), sleep=looks)) == ["a.png"]


def test_rubbish_and_a_folder_that_is_away_end_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "in"
    written(folder, "a.png", "rubbish")
    away = tmp_path / "away"
    looks = Looks(
        None, None, lambda: folder.rename(away), None, lambda: away.rename(folder), lambda: image(folder / "b.png"),
        None, None,
    )  # fmt: skip
    found = places(of_folder(folder, Limits(), sleep=looks))
    assert found == ["a.png: the body must be an image (JPEG, PNG, BMP, TIFF or WebP)", "b.png"]
    assert "in: must be readable, but No such file" in caplog.text


def test_a_mount_point_whose_storage_is_away_makes_no_image_new(tmp_path: Path) -> None:
    folder, away = tmp_path / "in", tmp_path / "away"
    folder.mkdir()
    image(folder / "a.png")

    def unmount() -> None:
        folder.rename(away)
        folder.mkdir()

    def mount() -> None:
        folder.rmdir()
        away.rename(folder)

    looks = Looks(None, None, unmount, None, mount, None, None)
    assert places(of_folder(folder, Limits(), sleep=looks)) == ["a.png"]


def test_an_image_that_is_moved_away_while_the_folder_is_listed_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        image(tmp_path / name)
    listing = os.scandir

    @contextmanager
    def moving(folder: Path) -> Iterator[list[os.DirEntry[str]]]:
        with listing(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        (tmp_path / "a.png").unlink(missing_ok=True)
        yield found

    looks = Looks(None, lambda: monkeypatch.setattr(os, "scandir", moving), None, None, None)
    assert places(of_folder(tmp_path, Limits(), sleep=looks)) == ["a.png", "b.png", "c.png"]


def test_every_frame_of_a_video_is_read_then_the_end(tmp_path: Path) -> None:
    frames = list(of_video(video(tmp_path / "clip.avi")))
    assert [frame.place["frame"] for frame in frames] == list(range(10))
    assert [frame.error for frame in of_video(written(tmp_path, "x.avi", "rubbish"))] == [
        "must be a video that OpenCV can read"
    ]


@pytest.mark.slow
def test_the_newest_frame_of_a_stream_is_read_and_a_lost_connection_made_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
    with camera(login="admin:secret", seconds=0.01) as source:
        address = Address(f"rtsp://admin:secret@127.0.0.1:{source.port}/live")
        stream = Stream(address, first_pause=0.1)
        with stream.reading() as frames:
            first = next(frames)
            assert first.picture is not None
            assert first.picture.shape == (64, 64, 3)
            assert wait_until(lambda: stream._number > first.place["frame"] + 10)  # work that takes longer than a frame
            late = next(frames)
            assert late.skipped > 5
            assert late.place["frame"] == first.place["frame"] + late.skipped + 1
            source.cut.set()
            while source.connections < 2:
                assert next(frames).picture is not None
            assert next(frames).picture is not None
    assert "connected, frames of 64 x 64 pixels" in caplog.text
    assert "must send frames, but does not; connects again in 0.1 s" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.slow
def test_a_refused_login_is_tried_again_and_never_shown(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with camera(login="admin:other", seconds=0.01) as source:
        address = Address(f"rtsp://admin:secret@127.0.0.1:{source.port}/live")
        with Stream(address, first_pause=0.05).reading():
            assert wait_until(lambda: "connects again in 0.1 s" in caplog.text), caplog.text
        assert source.connections == 0
    assert "secret" not in caplog.text + "".join(capfd.readouterr())
