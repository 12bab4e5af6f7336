"""Ray's token is its owner's alone, whoever made it and whatever the umask."""

import logging
import os
import stat
from pathlib import Path

import pytest

from automl.cluster import auth_token


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_token_is_made_before_ray_makes_it(home: Path) -> None:
    before = os.umask(0)
    try:
        auth_token.secure(make=True)
    finally:
        os.umask(before)
    token = home / ".ray" / "auth_token"
    assert (mode(token), mode(token.parent)) == (0o600, 0o700)
    assert len(bytes.fromhex(token.read_text())) == 32
    kept = token.read_text()
    auth_token.secure(make=True)
    assert token.read_text() == kept


def test_a_token_that_others_could_read_is_closed_and_told(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="automl")
    token = home / ".ray" / "auth_token"
    token.parent.mkdir(mode=0o755)
    token.write_text("word")
    token.chmod(0o644)
    auth_token.secure(make=False)
    assert (mode(token), mode(token.parent), token.read_text()) == (0o600, 0o700, "word")
    assert [message.partition(" could be read by others")[0] for message in caplog.messages] == [
        str(token.parent), str(token),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("variable", "value"),
    [("RAY_AUTH_MODE", "disabled"), ("RAY_AUTH_TOKEN", "word"), ("RAY_AUTH_TOKEN_PATH", "{}/mine")],
)
def test_none_is_made_where_ray_needs_none(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value.format(home))
    auth_token.secure(make=True)
    assert not (home / ".ray").exists()


def test_the_folder_of_a_token_elsewhere_stays_as_it_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = home / "mine"
    token.write_text("word")
    token.chmod(0o640)
    home.chmod(0o755)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    auth_token.secure(make=True)
    assert (mode(token), mode(home)) == (0o600, 0o755)


def test_without_a_cluster_to_start_no_token_is_made(home: Path) -> None:
    auth_token.secure(make=False)
    assert not (home / ".ray").exists()
