"""Where the page may listen: on other addresses than the loopback ones only with a password."""

from pathlib import Path

import pytest

from automl.apps.web.security import Access
from automl.apps.web.server import Settings, password_of, serve, startup
from automl.storage.place import Place
from automl.study.errors import StudyError


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "plant.example"])
def test_others_reach_the_page_only_with_a_password(tmp_path: Path, host: str) -> None:
    with pytest.raises(StudyError, match="must be a loopback address, or come with a password"):
        serve(Place(tmp_path), Settings(host))


def test_a_short_password_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_WEB_PASSWORD", "short")
    with pytest.raises(StudyError, match="must have at least 12 characters, but has 5"):
        password_of(None)
    (tmp_path / "password").write_text("correct horse battery\n")
    assert password_of(tmp_path / "password") == "correct horse battery"


def test_the_storage_must_exist(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="must be a storage"):
        serve(Place(tmp_path / "none"), Settings())


def test_the_start_names_the_link_and_no_password(tmp_path: Path) -> None:
    access = Access("correct horse battery")
    text = startup(Place(tmp_path), Settings("0.0.0.0", 9000, password="correct horse battery"), access)
    assert f"open http://0.0.0.0:9000/?token={access.token}" in text
    assert "HTTP is not encrypted" in text
    assert "horse" not in text + repr(access)
