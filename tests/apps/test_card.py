"""The card as `automl card` prints it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import automl
from automl.apps.cli import app
from automl.apps.registry import referred
from tests.builders import spec_of
from tests.past_studies import past, promoted
from tests.shipped import Version, drawn, shipped

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """Return a version that its gates refused and that was promoted by an override."""
    home = tmp_path_factory.mktemp("home")
    made = shipped(home, drawn(home / "data"), low=-1.0)
    automl.Registry(made.registry.folder).promote(1, override="the line | stands still")
    return made


def printed(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["card", *map(str, words)])
    assert result.exit_code == code, result.output
    return result.output + (result.stderr if code else "")


def test_a_card_begins_with_the_override(version: Version) -> None:
    told = printed(version.registry.folder)
    assert told.startswith("> **Promoted although its gates refused it, by `")
    assert "Reason: the line \\| stands still**" in told.splitlines()[0]
    assert told.endswith((version.folder / "CARD.md").read_text() + "\n")


def test_a_card_is_printed_in_chinese(version: Version) -> None:
    told = printed(f"{version.registry.folder}@1", "--lang", "zh")
    assert told.startswith("> **未通过门槛而被强制提升")
    assert "# boards" in told


def test_a_name_and_a_version_are_found_in_the_storage(version: Version) -> None:
    storage = version.registry.folder.parents[1]
    assert referred("boards@1", None, storage) == (version.registry.folder, "1")
    assert referred("boards", None, storage) == (version.registry.folder, "champion")
    assert "# boards, version 1" in printed("boards@champion", "--storage", storage)


def test_mistakes_are_one_message(version: Version, tmp_path: Path) -> None:
    assert "lang: must be en or zh, but got fr" in printed(version.registry.folder, "--lang", "fr", code=2)
    assert "must contain version 7, but has" in printed(f"{version.registry.folder}@7", code=2)
    assert "must be the folder of a registry" in printed("nobody@1", "--storage", tmp_path, code=2)
    old = promoted(tmp_path, past(tmp_path, trials=[]), spec_of(name="a"))
    assert "must contain CARD.md, but an earlier automl published it without a card" in printed(old, code=2)
