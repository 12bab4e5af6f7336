"""One clock for a whole job: by stage, over sessions, in the journal; and how it is told."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from automl.pipeline.session import opened
from automl.storage.journal import Journal
from automl.storage.place import Place
from automl.study.errors import StudyError
from automl.tracking import status
from automl.trials import job_clock
from automl.trials.heartbeat import Beat
from automl.trials.job_clock import Elapsed, JobClock, Stage
from tests.builders import METRIC, spec_of
from tests.simulated_study import Clock


def journal_at(folder: Path) -> Journal:
    return Journal.create(folder, name="small", metric=METRIC)


def test_stages_add_up_to_the_job_and_interruptions_do_not_count(tmp_path: Path) -> None:
    journal, time = journal_at(tmp_path), Clock()
    first = JobClock(journal, clock=time)
    time.now = 5.0
    first.enter(Stage.SEARCH, places=2)
    time.now = 65.0
    first.note()
    time.now = 1000.0  # killed at 65 s, and gone on with much later

    second = JobClock(journal_at(tmp_path), clock=time)
    time.now += 3.0
    second.enter(Stage.CONFIRM)
    time.now += 20.0
    found = second.stop()
    assert found.stages == {"start": 8.0, "search": 60.0, "confirm": 20.0}
    assert (found.seconds, found.searched, found.places) == (88.0, 60.0, 2)
    assert found.summary() == "1m28s: start 8s, search 1m00s, confirm 20s"
    time.now += 500.0
    assert second.elapsed().seconds == 88.0
    read = Elapsed.from_notes(Journal.read(tmp_path, metric=METRIC).notes())
    assert (read.stages, read.stage) == (found.stages, "confirm")


def test_the_time_of_a_finished_study_stands_still(tmp_path: Path) -> None:
    journal, time = journal_at(tmp_path), Clock()
    first = JobClock(journal, clock=time)
    time.now = 7.0
    first.stop()
    journal.note("promotion", {})
    again = JobClock(journal, clock=time)
    time.now = 99.0
    assert again.stop().summary() == "7s: start 7s"
    assert again.elapsed().finished


def test_a_journal_of_before_has_the_time_of_its_search(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    assert Elapsed.from_notes(journal.notes()).summary() == "0s"
    journal.note("seconds", 646.0)
    found = Elapsed.from_notes(journal.notes())
    assert (found.seconds, found.searched) == (646.0, 646.0)
    assert found.summary() == "search 10m46s (the rest was not recorded)"
    assert JobClock(journal, clock=Clock()).elapsed().stages == {"search": 646.0, "start": 0.0}


@pytest.mark.parametrize(
    ("heard", "silence", "more"),
    [(30, 4.0, 34.0), (-1, 2.0, 2.0), (30, 3600.0, 0.0), (None, 0.0, 0.0)],
    ids=["alive", "heard before the note", "silent", "no driver"],
)
def test_a_reader_adds_the_time_since_a_note_while_the_driver_lives(
    heard: int | None, silence: float, more: float
) -> None:
    noted = datetime(2026, 1, 1, tzinfo=UTC)
    elapsed = Elapsed({"search": 100.0}, "search", 2, noted.isoformat())
    beat = heard and Beat(0, "a", 7, noted.isoformat(), (noted + timedelta(seconds=heard)).isoformat())
    found = elapsed.with_driver(beat or None, silence=silence, limit=status.SILENT_SECONDS)
    assert found.seconds == 100.0 + more


def test_re_trainings_that_ended_are_counted_and_failed_ones_are_not() -> None:
    notes = {"confirm:a": {"final": {"epoch": 6}}, "confirm:b": {"final": None}, "verdict": {}}
    assert Elapsed.from_notes(notes).retrained == 1


@pytest.mark.slow
def test_a_session_leaves_its_time_in_the_journal(tmp_path: Path) -> None:
    with opened(spec_of(), Place(tmp_path), console=Console(quiet=True)) as session:
        folder = session.folder
    assert Elapsed.from_notes(Journal.read(folder, metric=METRIC).notes()).seconds > 0


def test_while_a_block_runs_the_time_is_written_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_clock, "SECONDS", 0.01)
    journal = journal_at(tmp_path)
    job, noted = JobClock(journal), threading.Event()
    note = job.note

    def counted() -> None:
        note()
        noted.set()

    monkeypatch.setattr(job, "note", counted)
    with job.running():
        assert noted.wait(300)
    assert job_clock.NOTE in journal.notes()


def test_a_note_that_cannot_be_written_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = JobClock(journal_at(tmp_path))

    def full() -> None:
        raise StudyError("no space left")

    monkeypatch.setattr(job, "note", full)
    with job.running():
        pass
