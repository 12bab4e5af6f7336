"""The datasets folder of Ultralytics' settings is read from the user's own file; one that is damaged names none."""

import json
from pathlib import Path

import pytest

from automl.data import check as data_check
from automl.data.vendor_datasets import SETTINGS, folders, keep_users_folder
from tests.builders import written
from tests.data.test_check import RAW, SPLITS, drawn


@pytest.mark.parametrize(
    ("text", "found"),
    [('{"datasets_dir": "/data"}', (Path("/data"),)), ("{}", ()), ("[]", ()), ("{", ()), ('{"datasets_dir": 3}', ())],
)
def test_the_folder_is_that_of_the_settings(
    tmp_path: Path, text: str, found: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTINGS, str(tmp_path))
    written(tmp_path / "Ultralytics", "settings.json", text)
    assert folders() == found


def test_the_users_folder_survives_one_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTINGS, "")  # so that it is put back as it was
    monkeypatch.delenv(SETTINGS)
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    written(tmp_path / "Ultralytics", "settings.json", '{"datasets_dir": "/mine"}')
    keep_users_folder()
    monkeypatch.setenv("YOLO_CONFIG_DIR", "/elsewhere")
    keep_users_folder()
    assert folders() == (Path("/mine"),)


def test_path_may_be_below_the_datasets_folder_of_ultralytics(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn(tmp_path)
    drawn(tmp_path, split="val")
    config = tmp_path_factory.mktemp("config")
    written(config / "Ultralytics", "settings.json", json.dumps({"datasets_dir": str(tmp_path.parent)}))
    monkeypatch.setenv(SETTINGS, str(config))
    monkeypatch.chdir(config)
    source = config / "deep/data.yaml"
    found = data_check.check(source, {**RAW, "path": tmp_path.name}, splits=SPLITS)
    assert len(found.images["train"]) == 4
