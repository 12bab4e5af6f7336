"""A card that was damaged is never believed, and is written again from what the journal says."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from automl.pipeline import search
from automl.pipeline.session import Session, opened
from automl.storage import job_file
from automl.storage.layout import PARAMS
from automl.storage.place import Place
from automl.study.errors import AutomlError, StudyError
from automl.study.yaml_io import dump_yaml
from tests.builders import spec_of, written
from tests.conftest import job_at
from tests.simulated_study import Clock, open_search, saturating, simulate


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    given = job_at(tmp_path / "new", Path("data.yaml"))
    job_file.write(given)
    assert job_file.read(given.folder) == given
    assert not job_file.repair(given)


def test_a_card_of_before_the_checksums_is_read(tmp_path: Path) -> None:
    given = job_at(tmp_path, Path("data.yaml"))
    written(tmp_path, PARAMS, dump_yaml(given.to_dict()))
    assert job_file.read(tmp_path) == given
    assert not job_file.repair(given)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"folder: [", b"folder: here\n", b"# crc32 00000000\nfolder: here\n", b"# crc32 "],
    ids=["empty", "no text", "no yaml", "no job", "wrong sum", "cut"],
)
def test_a_damaged_card_is_one_message_and_is_mended(tmp_path: Path, content: bytes) -> None:
    given = job_at(tmp_path, Path("data.yaml"))
    (tmp_path / PARAMS).write_bytes(content)
    with pytest.raises(AutomlError, match=r"params.yaml: must ") as caught:
        job_file.read(tmp_path)
    assert len(str(caught.value).splitlines()) == 1
    assert job_file.repair(given)
    assert job_file.read(tmp_path) == given


def test_one_changed_value_is_found(tmp_path: Path) -> None:
    given = job_at(tmp_path, Path("data.yaml"))
    job_file.write(given)
    path = tmp_path / PARAMS
    path.write_text(path.read_text().replace("seed: 0", "seed: 1"))
    with pytest.raises(StudyError, match="its checksum is wrong; `automl resume` rewrites those of a study"):
        job_file.read(tmp_path)


def test_a_folder_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    job = job_at(tmp_path / "gone", Path("data.yaml"))
    job.folder.rmdir()
    assert not job_file.repair(job)
    assert not (tmp_path / "gone").exists()


@pytest.mark.slow
def test_a_session_mends_the_cards_of_all_trials_and_says_so(tmp_path: Path) -> None:
    with opened(spec_of(), Place(tmp_path), console=Console(quiet=True)) as session:
        source = open_search(session.folder, session.spec)
        simulate(source, saturating, clock=Clock())
        jobs = [source.job(trial) for trial in source.trials]
        before = [job_file.read(found.folder) for found in jobs]
        (jobs[0].folder / PARAMS).write_bytes(b"\0" * 100)
        (jobs[2].folder / PARAMS).unlink()
        search.rewrite_job_files(jobs)
        assert [job_file.read(found.folder) for found in jobs] == before
    assert told(session) == [str(found.folder / PARAMS) for found in (jobs[0], jobs[2])]


def told(session: Session) -> list[str]:
    lines = (session.folder / "study.log").read_text().splitlines()
    return [line.split()[1] for line in lines if line.endswith("was unreadable and is rewritten from the journal")]


def test_a_card_names_its_own_folder_and_attempt(tmp_path: Path) -> None:
    given = replace(job_at(tmp_path, Path("data.yaml")), attempt=3)
    job_file.write(given)
    assert (job_file.read(tmp_path).folder, job_file.read(tmp_path).attempt) == (tmp_path, 3)
