"""Damaged records of trainings are set aside and made again, so that a resumed study is never stuck."""

from dataclasses import replace
from pathlib import Path

import pytest

from automl.storage import curves_file, records
from automl.storage.journal import Journal
from automl.storage.layout import ATTEMPT, BEST, CURVES, LAST
from automl.storage.records import RecordError
from automl.study import Ending, Job, Measurement
from automl.study.spec_parts import ResourcesSpec
from automl.trials import heartbeat, lease, repair, worker
from automl.trials.active import ActiveJobs
from tests.builders import METRIC, measurement
from tests.conftest import job_at, tiny_job_at

NAME = "default_seed1000000"
KNOWN = [measurement(epoch, epoch / 10) for epoch in (1, 2, 3)]


def damage(folder: Path, content: bytes = b"\0" * 50) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CURVES).write_bytes(content)


def test_damaged_curves_are_written_again_from_the_journal(tmp_path: Path) -> None:
    damage(tmp_path)
    assert "set aside as curves.csv.damaged, 3 epochs are written again" in repair.mend_curves(tmp_path, KNOWN)
    assert curves_file.read_curves(tmp_path) == tuple(KNOWN)
    assert (tmp_path / "curves.csv.damaged").read_bytes() == b"\0" * 50
    assert repair.mend_curves(tmp_path, KNOWN) == ""


def retrained(folder: Path, *, known: bool) -> tuple[Journal, dict[str, Job]]:
    """Return a journal in which a re-training has ended, with or without its epochs, and its job."""
    job = replace(job_at(folder, Path("data.yaml")), folder=folder / "confirm" / NAME, epochs=3)
    journal = Journal.create(folder, name="s", metric=METRIC)
    for found in KNOWN if known else ():
        journal.retraining_measured(NAME, found, node="n")
    journal.note(f"confirm:{NAME}", Ending(final=measurement(3, 0.3)).to_dict())
    damage(job.folder)
    (job.folder / BEST).write_text("weights")
    return journal, {NAME: job}


def test_the_curves_of_a_re_training_are_written_again_where_the_journal_has_them(tmp_path: Path) -> None:
    journal, jobs = retrained(tmp_path, known=True)
    assert "written again from the journal" in repair.mend_retrainings(journal, jobs)[NAME]
    assert curves_file.read_curves(jobs[NAME].folder) == tuple(KNOWN)
    assert (repair.remade(journal, jobs), repair.mend_retrainings(journal, jobs)) == ({}, {})
    (jobs[NAME].folder / CURVES).unlink()
    assert "is missing and is written again" in repair.mend_retrainings(journal, jobs)[NAME]
    assert curves_file.read_curves(jobs[NAME].folder) == tuple(KNOWN)


def test_where_it_has_not_the_re_training_is_made_again(tmp_path: Path) -> None:
    journal, jobs = retrained(tmp_path, known=False)
    assert "the re-training is made again" in repair.mend_retrainings(journal, jobs)[NAME]
    assert repair.remade(journal, jobs) == jobs
    assert {path.name for path in jobs[NAME].folder.iterdir()} == {"curves.csv.damaged"}
    assert not journal.notes()[f"confirm:{NAME}"]["final"]
    assert repair.mend_retrainings(journal, jobs) == {}


def nothing(_found: Measurement) -> None:
    """Hear nothing."""


def test_a_worker_whose_curves_are_damaged_trains_again_from_the_start(tmp_path: Path, data: Path) -> None:
    job = tiny_job_at(tmp_path / "a", data)
    first = worker.run(job, nothing)
    curves = curves_file.read_curves(job.folder)
    damage(job.folder)
    heard: list[Measurement] = []
    again = worker.run(job, heard.append)
    assert first.final
    assert again.final
    assert (again.final.metrics, [m.metrics for m in heard]) == (first.final.metrics, [m.metrics for m in curves])
    assert (job.folder / "curves.csv.damaged").exists()


def test_a_checkpoint_of_an_epoch_that_the_curves_do_not_have_is_not_resumed_from(tmp_path: Path, data: Path) -> None:
    job = tiny_job_at(tmp_path / "a", data)
    worker.run(job, nothing)
    whole = curves_file.read_curves(job.folder)
    curves_file.write_curves(job.folder, whole[:2])
    heard: list[Measurement] = []
    worker.run(job, heard.append)
    assert [m.epoch for m in heard] == [1, 2, 3]
    assert [m.metrics for m in curves_file.read_curves(job.folder)] == [m.metrics for m in whole]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"attempt": "x"}', b'{"attempt": 1, "crc22": ""}', b"\xff"])
def test_after_a_damaged_lease_the_next_attempt_is_above_that_of_the_job_file(tmp_path: Path, content: bytes) -> None:
    jobs = ActiveJobs(ResourcesSpec(), lambda: 0.0)
    job = job_at(tmp_path / "a", Path("data.yaml"))
    for expected in (1, 2):
        assert jobs.start(job).attempt == expected
    (job.folder / ATTEMPT).write_bytes(content)
    with pytest.raises(RecordError, match=r"attempt.json: must be the lease of a training, but"):
        lease.check(job.folder, 2)
    assert heartbeat.present(job.folder) is None
    assert jobs.start(job).attempt == 3
    assert (job.folder / "attempt.json.damaged").read_bytes() == content
    lease.check(job.folder, 3)


def test_a_worker_whose_lease_is_damaged_ends_in_a_way_that_is_tried_again(tmp_path: Path, data: Path) -> None:
    job = tiny_job_at(tmp_path / "a", data)
    (job.folder / ATTEMPT).write_bytes(b"{")
    ending = worker.run(job, nothing)
    assert (ending.again, "must be the lease of a training" in ending.cause) == (True, True)


def test_one_changed_digit_of_a_lease_is_found(tmp_path: Path) -> None:
    assert lease.acquire(tmp_path) == 1
    text = (tmp_path / ATTEMPT).read_text()
    (tmp_path / ATTEMPT).write_text(text.replace('"attempt": 1', '"attempt": 9'))
    with pytest.raises(RecordError, match="its checksum is wrong"):
        lease.latest(tmp_path)


def test_a_folder_of_another_training_is_not_resumed_from(tmp_path: Path) -> None:
    jobs = ActiveJobs(ResourcesSpec(), lambda: 0.0)
    job = job_at(tmp_path / "a", Path("data.yaml"), lr0=0.02)
    jobs.start(job)
    for name in (LAST, BEST):
        (job.folder / name).write_text("state")
    jobs.start(replace(job, model="/elsewhere/micro.yaml"))
    assert (job.folder / LAST).exists()
    jobs.start(replace(job, params={**job.params, "lr0": 0.03}))
    assert not (job.folder / LAST).exists()


def test_a_record_that_is_damaged_again_is_set_aside_beside_the_first(tmp_path: Path) -> None:
    for _ in range(2):
        damage(tmp_path)
        repair.mend_curves(tmp_path, KNOWN)
    assert sorted(path.name for path in tmp_path.glob(f"*{records.DAMAGED}*")) == [
        "curves.csv.damaged", "curves.csv.damaged.2",
    ]  # fmt: skip
