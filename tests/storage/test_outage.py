"""A write that fails for a reason that passes is repeated, in a time that costs nothing here."""

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from automl.storage import files, outage
from automl.storage.outage import FULL, LONGEST, TRANSIENT, UNAVAILABLE, RetrySettings, retries_enabled, retry_on_outage
from automl.study.errors import StudyError
from tests.builders import written

PLACE = Path("/storage")


class Time:
    """Goes on only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.said: list[tuple[float, str]] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def settings(self, stopping: Callable[[], bool] = outage.never) -> RetrySettings:
        return RetrySettings(lambda text: self.said.append((self.now, text)), stopping, lambda: self.now, self.sleep)


class Failing:
    """A write that fails until a moment; notes when it was tried."""

    def __init__(self, time: Time, *, until: float, number: int = errno.ENOSPC) -> None:
        self.time, self.until, self.number = time, until, number
        self.tried: list[float] = []

    def __call__(self) -> str:
        self.tried.append(self.time.now)
        if self.time.now < self.until:
            raise OSError(self.number, os.strerror(self.number))
        return "written"


def test_a_write_is_tried_again_at_growing_distances_until_it_succeeds() -> None:
    time = Time()
    write = Failing(time, until=130)
    with retries_enabled(time.settings()):
        assert retry_on_outage(PLACE, write) == "written"
    gaps = [later - earlier for earlier, later in pairwise(write.tried)]
    assert gaps == [1, 2, 4, 8, *[LONGEST] * (len(gaps) - 4)]


def test_what_is_wrong_is_said_at_once_then_every_minute_and_when_it_is_over() -> None:
    time = Time()
    with retries_enabled(time.settings()):
        retry_on_outage(PLACE, Failing(time, until=130))
    waits = "storage: /storage: No space left on device; writes wait until there is free space"
    assert [text for _, text in time.said[:-1]] == [waits] * 3
    assert time.said[-1][1] == "storage: /storage: there is free space again after 2m15s"
    moments = [moment for moment, _ in time.said[:-1]]
    assert moments[0] == 0
    assert all(60 <= later - earlier <= 75 for earlier, later in pairwise(moments))


@pytest.mark.parametrize("number", sorted(TRANSIENT))
def test_every_trouble_that_passes_is_waited_for(number: int) -> None:
    time = Time()
    with retries_enabled(time.settings()):
        assert retry_on_outage(PLACE, Failing(time, until=5, number=number)) == "written"
    over = "there is free space" if number in FULL else "it is writable"
    assert [text.partition(": ")[2] for _, text in time.said] == [
        f"/storage: {os.strerror(number)}; writes wait until {over}",
        f"/storage: {over} again after 7s",
    ]


def test_the_two_kinds_of_trouble_are_told_apart() -> None:
    assert not FULL & UNAVAILABLE


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENAMETOOLONG])
def test_a_trouble_that_does_not_pass_is_raised_at_once(number: int) -> None:
    time = Time()
    with retries_enabled(time.settings()), pytest.raises(OSError, match=os.strerror(number)):
        retry_on_outage(PLACE, Failing(time, until=5, number=number))
    assert (time.now, time.said) == (0, [])


def test_a_trouble_that_turns_into_one_that_does_not_pass_ends_the_waiting() -> None:
    time = Time()

    def write() -> None:
        raise OSError(errno.ENOSPC if time.now < 3 else errno.EACCES, "no")

    with retries_enabled(time.settings()), pytest.raises(PermissionError, match="no"):
        retry_on_outage(PLACE, write)


def test_a_stop_ends_the_waiting_within_a_second_and_says_to_resume() -> None:
    time = Time()
    with (
        retries_enabled(time.settings(lambda: time.now >= 100)),
        pytest.raises(StudyError, match=r"/storage: must be writable, but No space left .* then resume the study"),
    ):
        retry_on_outage(PLACE, Failing(time, until=1000))
    assert time.now < 101


def test_retries_end_when_the_source_stops() -> None:
    time = Time()
    with (
        retries_enabled(time.settings()),
        outage.retries_end_when(lambda: True),
        pytest.raises(StudyError, match="a stop was requested"),
    ):
        retry_on_outage(PLACE, Failing(time, until=1000))
    with outage.retries_end_when(lambda: True), pytest.raises(OSError, match="No space left"):
        retry_on_outage(PLACE, Failing(time, until=1000))


def test_without_retries_enabled_a_write_fails_at_once() -> None:
    with pytest.raises(OSError, match="No space left"):
        retry_on_outage(PLACE, Failing(Time(), until=5))


def test_retries_end_with_their_block() -> None:
    with retries_enabled(Time().settings()):
        pass
    with pytest.raises(OSError, match="No space left"):
        retry_on_outage(PLACE, Failing(Time(), until=5))


@pytest.mark.parametrize("call", ["fsync", "open", "replace"])
@pytest.mark.parametrize(
    "write",
    [
        lambda path: files.write_text(path, "new"),
        lambda path: files.write_bytes(path, b"new"),
        lambda path: files.copy(written(path.parent, "source", "new"), path),
    ],
    ids=["text", "bytes", "copy"],
)
def test_a_whole_file_waits_at_whatever_step_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, write: Callable[[Path], None]
) -> None:
    time, path = Time(), written(tmp_path, "file", "old")
    owner = Path if call == "replace" else os
    real = getattr(owner, call)

    def failing(*given: object, **named: object) -> object:
        if time.now < 5 and not (call == "open" and given[0] != str(tmp_path)):
            assert path.read_text() == "old"
            raise OSError(errno.EIO, "Input/output error")
        return real(*given, **named)

    monkeypatch.setattr(owner, call, failing)
    with retries_enabled(time.settings()):
        write(path)
    assert path.read_text() == "new"
    assert {found.name for found in tmp_path.iterdir()} <= {"file", "source"}


@pytest.mark.parametrize("end", [None, 4])
def test_an_append_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: int) -> None:
    path = written(tmp_path, "file", "one\n")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _file: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
        with pytest.raises(OSError, match="Input/output"):
            files.append(path, b"two\n", end=end)
    assert path.read_text() == "one\n"
    assert files.append(path, b"two\n", end=end) == 8


def test_an_append_takes_away_what_stands_behind_the_end_it_knows(tmp_path: Path) -> None:
    path = written(tmp_path, "file", "one\nhalf a li")
    assert files.append(path, b"two\n", end=4) == 8
    assert path.read_text() == "one\ntwo\n"


def test_an_append_to_a_file_that_others_cut_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "file", "one")
    with pytest.raises(StudyError, match="must contain the 4 bytes written so far, but has 3"):
        files.append(path, b"two\n", end=4)
    assert path.read_text() == "one"


def test_a_folder_that_is_missing_is_waited_for_where_it_was_there(tmp_path: Path) -> None:
    time, folder = Time(), tmp_path / "trial"

    def read() -> str:
        outage.need_folder(folder)
        return "read"

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if time.now > 5:
            folder.mkdir(exist_ok=True)

    with retries_enabled(replace(time.settings(), sleep=sleep)):
        assert retry_on_outage(folder, read) == "read"
    missing = "the folder is missing, as if its storage were not mounted"
    assert time.said[0][1] == f"storage: {folder}: {missing}; writes wait until it is writable"
