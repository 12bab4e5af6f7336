"""A storage that is not mounted looks like an empty folder: what is missing there is not taken for what never was."""

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from automl.storage import curves_file, files, records
from automl.storage.journal import Journal
from automl.storage.layout import LAST, NEXT
from automl.storage.outage import RetrySettings, retries_enabled, retry_on_outage
from automl.study import Job
from automl.trials import checkpoints, commands, lease
from tests.builders import METRIC, measurement, spec_of
from tests.conftest import tiny_job_at
from tests.simulated_study import open_search
from tests.tiny_files import STATE, write


class Away:
    """Takes a folder away, and brings it back when somebody waits for it; a wait passes at once."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.aside = folder, folder.with_name("elsewhere")
        self.said: list[str] = []
        self.now = 0.0

    def go(self) -> None:
        self.folder.rename(self.aside)

    def settings(self) -> RetrySettings:
        return RetrySettings(say=self.said.append, clock=lambda: self.now, sleep=self._back)

    def _back(self, seconds: float) -> None:
        self.now += seconds
        if self.aside.exists():
            self.aside.rename(self.folder)

    @property
    def waited(self) -> bool:
        return any("the folder is missing, as if its storage were not mounted; writes wait" in one for one in self.said)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    made = tiny_job_at(tmp_path / "trial", tmp_path)
    return replace(made, attempt=lease.acquire(made.folder))


@pytest.fixture
def away(job: Job) -> Iterator[Away]:
    made = Away(job.folder)
    with retries_enabled(made.settings()):
        yield made
    assert made.waited


def stored(job: Job, epoch: int) -> None:
    curves_file.write_curves(job.folder, [measurement(number, 0.5) for number in range(1, epoch + 1)])
    write(job.folder / LAST, STATE, {"epoch": epoch})


def test_a_state_whose_folder_goes_while_it_is_kept_is_kept_when_it_is_back(
    job: Job, away: Away, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, copy = tmp_path / "state", checkpoints.Folder.copy
    state.write_bytes(b"whole")

    def copied(self: checkpoints.Folder, source: Path, name: str) -> None:
        copy(self, source, name)
        away.go()

    monkeypatch.setattr(checkpoints.Folder, "copy", copied)
    checkpoints.Folder(job).save_state(state)

    assert (job.folder / LAST).read_bytes() == b"whole"
    assert not (job.folder / NEXT).exists()


def test_a_training_does_not_begin_anew_while_its_state_is_away(job: Job, away: Away) -> None:
    stored(job, 2)
    away.go()
    assert checkpoints.newest(checkpoints.Folder(job), most=2) == (job.folder / LAST, 2)


def test_an_attempt_whose_folder_is_away_waits_until_it_can_see_the_lease(job: Job, away: Away) -> None:
    lease.acquire(job.folder)
    away.go()
    with pytest.raises(lease.Superseded, match="attempt 2 has superseded attempt 1"):
        lease.check(job.folder, 1)


def test_curves_that_are_away_are_not_taken_for_none(job: Job, away: Away) -> None:
    stored(job, 2)
    away.go()
    assert len(retry_on_outage(job.folder, lambda: checkpoints.known_curves(checkpoints.Folder(job)))) == 2


def test_a_file_whose_folder_goes_while_it_is_written_is_written_when_it_is_back(job: Job, away: Away) -> None:
    def fill(file: IO[bytes]) -> None:
        file.write(b"whole")
        if not away.said:
            away.go()

    files._replace(job.folder / "file", fill)

    assert (job.folder / "file").read_bytes() == b"whole"


def test_a_journal_whose_folder_is_away_waits_and_has_every_epoch(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    journal, made = Journal.create(folder, name="s", metric=METRIC), Away(folder)
    space = spec_of().search_space
    number = journal.suggested(space.defaults(), space, seed=0, origin="default")
    with retries_enabled(made.settings()):
        made.go()
        journal.measured(number, measurement(1, 0.5))
    assert made.waited
    assert [m.epoch for m in Journal.read(folder, metric=METRIC).trials()[0].measurements] == [1]


def test_commands_and_sizes_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A storage that answers with an error, as a network file system may, is not taken for the end of the study."""
    source = open_search(tmp_path, spec_of(retention={"quota_gb": 100}), workers=1)
    said: list[str] = []
    listing, errors = os.scandir, [OSError(errno.EIO, "Input/output error") for _ in range(2)]

    def failing(place: Path | str) -> object:
        if errors and Path(place).is_relative_to(tmp_path):
            raise errors.pop()
        return listing(place)

    settings = RetrySettings(say=said.append, clock=iter(range(10**6)).__next__, sleep=lambda _seconds: None)
    commands.send(tmp_path, commands.Kind.CANCEL, {"trial": 5})
    with retries_enabled(settings):
        monkeypatch.setattr(os, "scandir", failing)
        source.steering.execute(source, now=True)
        assert commands.waiting(tmp_path) == []
        errors.append(OSError(errno.ESTALE, "Stale file handle"))
        assert source._quota.used() > 0
    assert "Input/output error; writes wait" in said[0]
    assert not errors


def test_a_command_that_may_not_be_read_does_not_end_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_search(tmp_path, spec_of(), workers=1)
    commands.send(tmp_path, commands.Kind.CANCEL, {"trial": 5})
    read = records.read_bytes

    def refused(path: Path) -> bytes:
        if path.parent.name == "commands":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(records, "read_bytes", refused)
    source.steering.execute(source, now=True)
    assert [path.suffix for path in (tmp_path / "commands").iterdir()] == [".damaged"]
