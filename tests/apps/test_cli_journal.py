"""A damaged journal at the command line: one message and exit 2; what a recovery left out is said by every verb."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from automl.apps.cli import app
from automl.storage.journal import Journal
from automl.storage.layout import JOURNAL
from tests.builders import METRIC
from tests.past_studies import append, past, rewritten

VERBS = (["status"], ["status", "--json"], ["report"], ["resume"])
ODD: dict[str, Any] = {
    "unknown operation": {"op_code": 999, "worker_id": "w"},
    "missing key": {"op_code": 2, "study_id": 0, "worker_id": "w"},
    "deep nesting": '{"op_code":2,"study_id":0,"worker_id":"w","user_attr":{"a":' + "[" * 90_000 + "]" * 90_000 + "}}",
    "5,000 digits": '{"op_code":2,"study_id":0,"worker_id":"w","user_attr":{"a":' + "9" * 5000 + "}}",
}
NOTES: dict[str, Any] = {
    "elapsed": {"seconds": 1}, "promotion": {"study": "a"}, "promotion ": None, "seconds": [],
}  # fmt: skip


def automl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return past(tmp_path_factory.mktemp("storage"))


@pytest.fixture
def study(whole: Path, tmp_path: Path) -> Path:
    """Return a copy of a past study."""
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    for path in whole.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_an_odd_line_with_a_good_checksum_is_one_message(study: Path, verb: list[str], name: str) -> None:
    rewritten(study, lambda lines: [*lines, ODD[name]])
    assert "journal.log" in refused(automl(verb[0], study, *verb[1:]))


@pytest.mark.parametrize("name", ["elapsed", "promotion"])
@pytest.mark.parametrize("verb", VERBS[:3], ids=" ".join)
def test_a_note_of_another_kind_is_one_message(study: Path, verb: list[str], name: str) -> None:
    Journal.create(study, name="a", metric=METRIC).note(name, NOTES[name])
    told = refused(automl(verb[0], study, *verb[1:]))
    assert "journal.log: must be the journal of a study, but KeyError" in told


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_line_ends_of_windows_empty_no_study(study: Path, verb: list[str]) -> None:
    damaged = (study / JOURNAL).read_bytes().replace(b"\n", b"\r\n")
    (study / JOURNAL).write_bytes(damaged)
    assert "its lines end in CR LF" in refused(automl(verb[0], study, *verb[1:]))
    assert (study / JOURNAL).read_bytes() == damaged


def test_a_damaged_journal_is_listed_with_its_message(study: Path) -> None:
    (study / JOURNAL).write_bytes(bytes(5000))
    found = automl("studies", "--storage", study.parents[1])
    assert found.exit_code == 0
    assert "journal.log:1: the file must end with a line" in found.stderr


@pytest.mark.slow
def test_what_was_left_out_is_said_by_every_verb_before_and_after_a_session(study: Path) -> None:
    append(study, '{"op_code":2,"half')
    for told in ("the last 18 bytes are an incomplete line", "18 bytes of an unfinished append"):
        assert told in automl("status", study).stdout
        assert told in automl("status", study, "--json").stdout
        assert told in automl("studies", "--storage", study.parents[1]).stderr
        assert automl("report", study).exit_code == 0
        assert told in (study / "report.html").read_text()
        Journal.create(study, name="a", metric=METRIC)
