"""A study's folder of which a part is missing is refused before anything of it is touched."""

import random
from pathlib import Path

import pytest

from automl.pipeline.session import claim
from automl.storage import begun
from automl.storage.journal import Journal
from automl.storage.layout import JOURNAL, SPEC
from automl.study.errors import StudyError
from tests.builders import METRIC, spec_of


def test_a_journal_without_its_description_is_refused_by_every_other_description(tmp_path: Path) -> None:
    claim(tmp_path, spec_of())
    Journal.create(tmp_path, name="small", metric=METRIC)
    (tmp_path / SPEC).unlink()
    for spec in (spec_of(), spec_of(seed=5)):
        with pytest.raises(StudyError, match=r"study.yaml: must be the description with which journal.log was begun"):
            claim(tmp_path, spec)
    assert not (tmp_path / SPEC).exists()


@pytest.mark.parametrize("place", ["trials", "confirm"])
def test_trainings_without_a_journal_are_refused_and_the_description_stays(tmp_path: Path, place: str) -> None:
    claim(tmp_path, spec_of())
    before = (tmp_path / SPEC).read_bytes()
    (tmp_path / place / "0000_a").mkdir(parents=True)
    for content in (None, b""):
        if content is not None:
            (tmp_path / JOURNAL).write_bytes(content)
        with pytest.raises(StudyError, match=r"journal.log: must be the journal of the trainings in \w+/, but is miss"):
            claim(tmp_path, spec_of(seed=random.randrange(2, 9)))
    assert (tmp_path / SPEC).read_bytes() == before


def test_a_folder_that_has_not_begun_is_whole(tmp_path: Path) -> None:
    begun.check(tmp_path)
    (tmp_path / JOURNAL).touch()
    (tmp_path / "trials").mkdir()
    begun.check(tmp_path)
    assert not begun.has_lines(tmp_path)
