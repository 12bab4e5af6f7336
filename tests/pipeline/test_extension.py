"""A study that has begun is extended: recorded in the journal, the verdict withdrawn where more can be tried."""

import json
from pathlib import Path

import pytest

from automl.pipeline import extension
from automl.pipeline.session import claim
from automl.storage.journal import Journal
from automl.study.errors import StudyError
from automl.study.extension import changes, history
from automl.study.load import stored
from automl.trials import commands
from automl.trials.commands import Kind
from tests.builders import METRIC, PARAMS, spec_of

SIX = spec_of(budget={"trials": 6})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a finished study of four trials."""
    claim(tmp_path, spec_of())
    journal = Journal.create(tmp_path, name="small", metric=METRIC)
    for seed in range(4):
        journal.suggested(PARAMS, spec_of().search_space, seed=seed, origin="random")
    journal.note(extension.ROUNDS, [{"stage": "opening"}])
    journal.note("verdict", {"study": "small"})
    journal.note("promotion", {"study": "small"})
    return tmp_path


def notes_in(folder: Path) -> dict[str, object]:
    return Journal.read(folder, metric=METRIC).notes()


def test_more_trials_are_recorded_and_the_verdict_is_withdrawn(folder: Path) -> None:
    assert claim(folder, SIX) == SIX
    notes = notes_in(folder)
    assert [change.text for change in history(notes)] == ["budget.trials 4 -> 6"]
    assert (notes["verdict"], notes["promotion"], notes[extension.ROUNDS]) == (None, None, [])
    assert notes[extension.EARLIER_ROUNDS] == [{"stage": "opening"}]
    assert stored(folder / "study.yaml") == SIX


def test_the_same_file_resumes_the_extended_study(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    claim(folder, SIX)
    with caplog.at_level("INFO"):
        assert claim(folder, spec_of()) == SIX
    assert "budget.trials stays 6, as it was changed" in caplog.text
    assert len(history(notes_in(folder))) == 1


def test_a_change_that_allows_no_further_trial_leaves_the_verdict(folder: Path) -> None:
    claim(folder, spec_of(budget={"trials": 4, "hours": 3.0}))
    assert notes_in(folder)["verdict"] == {"study": "small"}


def test_a_driver_that_was_killed_after_the_journal_line_has_lost_nothing(folder: Path) -> None:
    before = (folder / "study.yaml").read_bytes()
    claim(folder, SIX)
    (folder / "study.yaml").write_bytes(before)
    assert claim(folder, stored(folder / "study.yaml")) == SIX


def test_a_refusal_names_reason_and_remedy_and_changes_nothing(folder: Path) -> None:
    before = (folder / "journal.log").read_bytes()
    law = r"(?s)must belong to the same description.*seed: 0 there, 2 here \(the trials.*--set .*warm_start"
    with pytest.raises(StudyError, match=law):
        claim(folder, spec_of(seed=2, budget={"trials": 6}))
    with pytest.raises(StudyError, match=r"budget.trials: must be at least 4"):
        claim(folder, spec_of(budget={"trials": 2}))
    assert (folder / "journal.log").read_bytes() == before


def test_while_it_runs_only_the_budget_may_change(folder: Path) -> None:
    wanted = spec_of(resources={"cpus": 2})
    found = changes(spec_of(), wanted)
    extension.refuse(folder, spec_of(), wanted, found)
    with pytest.raises(StudyError, match=r"resources.cpus: must not change while the study runs.*stop it"):
        extension.refuse(folder, spec_of(), wanted, found, running=True)


def test_a_change_sent_after_the_search_is_executed_after_the_verdict(folder: Path) -> None:
    good = commands.send(folder, Kind.EXTEND, {"keys": {"budget.trials": [4, 6]}})
    bad = commands.send(folder, Kind.EXTEND, {"keys": json.loads('{"budget.trials": [4, "many"]}')})
    journal = Journal.create(folder, name="small", metric=METRIC)
    assert extension.late(folder, journal, spec_of()) == SIX
    replies = [commands.answer_to(folder, command, seconds=0) for command in (good, bad)]
    assert [reply.accepted for reply in replies if reply] == [True, False]
    assert extension.late(folder, journal, SIX) is None


def test_a_late_command_of_another_form_is_refused(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, name="cards", metric=METRIC)
    sent = commands.send(tmp_path, Kind.EXTEND, {"keys": []})
    assert extension.late(tmp_path, journal, spec_of()) is None
    answer = commands.answer_to(tmp_path, sent, seconds=0)
    assert answer
    assert not answer.accepted
