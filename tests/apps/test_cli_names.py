"""Studies and models by name: found in the storage, listed where none is named, refused with those that are there."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from automl.apps.cli import app
from tests.builders import spec_of
from tests.past_studies import past, promoted


def automl(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})


@pytest.mark.parametrize("verb", ["status", "report"])
def test_a_study_is_found_by_its_name(tmp_path: Path, verb: str) -> None:
    past(tmp_path, "cards")
    found = automl(verb, "cards", "--storage", tmp_path)
    assert found.exit_code == 0, found.output
    assert "cards" in found.stdout


@pytest.mark.parametrize("verb", ["verify", "history"])
def test_a_model_is_found_by_its_name(tmp_path: Path, verb: str) -> None:
    promoted(tmp_path, past(tmp_path, trials=[]), spec_of(name="a"))
    found = automl(verb, "boards", "--storage", tmp_path)
    assert found.exit_code == 0, found.output
    assert "champion" in found.stdout


def test_a_model_is_served_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    promoted(tmp_path, past(tmp_path, trials=[]), spec_of(name="a"))
    given: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda _program, words, _environment: given.append(words))
    more = ["--allowed-host", "detector", "--allowed-host", "x.example", "--max-pixels", "20000000"]
    assert automl("serve", "boards", "--storage", tmp_path, *more).exit_code == 0
    assert given[0][-1] == str(tmp_path / "models" / "boards")
    assert {"--allowed-host=detector", "--allowed-host=x.example", "--max-pixels=20000000"} <= set(given[0])


@pytest.mark.parametrize(
    ("words", "version"),
    [
        (["boards"], "champion"),
        (["boards@champion"], "champion"),
        (["boards@1"], "1"),
        (["boards@1", "--version", "1"], "1"),
        (["boards", "--version", "1"], "1"),
    ],
)
def test_a_version_is_served_by_its_number_or_alias(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], version: str
) -> None:
    promoted(tmp_path, past(tmp_path, trials=[]), spec_of(name="a"))
    given: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda _program, words, _environment: given.append(words))
    assert automl("serve", *words, "--storage", tmp_path, "--poll", 0.5).exit_code == 0
    assert {f"--version={version}", "--poll=0.5"} <= set(given[0])


def test_a_version_that_is_named_twice_is_told(tmp_path: Path) -> None:
    promoted(tmp_path, past(tmp_path, trials=[]), spec_of(name="a"))
    found = automl("serve", "boards@champion", "--version", "1", "--storage", tmp_path)
    assert found.exit_code == 2
    assert "--version: must not be given with boards@champion, which names one, but got 1; omit one" in found.stderr


@pytest.mark.parametrize("verb", ["status", "report", "resume"])
def test_a_name_that_is_not_there_is_told_with_those_that_are(tmp_path: Path, verb: str) -> None:
    past(tmp_path, "cards")
    found = automl(verb, "card", "--storage", tmp_path)
    assert found.exit_code == 2
    assert (
        f"card: must be the folder of a study or the name of one in {tmp_path}/runs, but there are cards"
        in found.stderr
    )


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    found = automl("verify", "cards", "--storage", tmp_path)
    assert found.exit_code == 2
    assert f"the name of one in {tmp_path}/models, but there is none; pass --storage or the folder" in found.stderr


def test_status_alone_lists_the_studies_with_date_model_verdict_and_cost(tmp_path: Path) -> None:
    past(tmp_path, "cards")
    found = automl("status", "--storage", tmp_path)
    assert found.exit_code == 0, found.output
    assert found.stdout == automl("studies", "--storage", tmp_path).stdout
    _, head, row = found.stdout.splitlines()
    assert head.split()[:4] == ["study", "date", "model", "data"]
    assert {"verdict", "cost"} <= set(head.split())
    assert row.split()[0] == "cards"


@pytest.mark.parametrize("verb", ["studies", "status"])
def test_a_storage_that_is_not_there_is_a_mistake(tmp_path: Path, verb: str) -> None:
    found = automl(verb, "--storage", tmp_path / "mistyped")
    assert found.exit_code == 2
    assert f"{tmp_path}/mistyped: must be a storage" in found.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["card", "boards@"], "boards@: must name a version number or an alias after the @"),
        (["history", "boards@1"], "boards@1: must name a model without a version here, but has an @; pass boards"),
        (["diff", "boards", "1", "7"], "must contain version 7, but has 1 version: 1, and the aliases"),
        (["export", "boards@7", "new.onnx"], "must contain version 7"),
    ],
)
def test_a_version_that_is_named_where_none_is_or_wrongly_is_told(tmp_path: Path, words: list[str], told: str) -> None:
    promoted(tmp_path, past(tmp_path, trials=[]), spec_of(name="a"))
    found = automl(*words, "--storage", tmp_path)
    assert found.exit_code == 2
    assert told in " ".join(found.output.split())


@pytest.mark.parametrize(
    "words", [["status", ""], ["search", "--name", ""], ["search", "--name="], ["check", "--storage", ""], ["init", ""]]
)
def test_an_empty_argument_is_refused(tmp_path: Path, words: list[str]) -> None:
    past(tmp_path, "cards")
    found = automl(*words)
    assert found.exit_code == 2
    assert "must not be empty" in found.output


@pytest.mark.parametrize("pair", ["=5", "budget..trials=6", ".=1"])
def test_a_key_with_an_empty_part_is_refused(pair: str) -> None:
    assert f"--set {pair}: must be KEY=VALUE" in automl("search", "--set", pair).output


@pytest.mark.parametrize("pair", ["budget.trials=", "data= "])
def test_a_setting_without_a_value_is_refused(pair: str) -> None:
    assert f"--set {pair}: must have a value after the =" in automl("search", "--set", pair).output
