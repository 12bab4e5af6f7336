"""One study's folder: whose it is, and that it holds what the study needs."""

from pathlib import Path

import pytest
from rich.console import Console

from automl import sample
from automl.errors import StudyError
from automl.journal import Journal
from automl.session import Place, adopt, claim, default_storage, opened
from automl.spec import StudySpec, dump, stored
from tests.builders import METRIC, spec_of


def with_models(folder: Path, *, content: str = "nc: 3") -> StudySpec:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("a.yaml", "b.yaml"):
        (folder / name).write_text(content)
    models = {"choices": [str(folder / "a.yaml"), str(folder / "b.yaml")], "default": str(folder / "a.yaml")}
    return spec_of(model=str(folder / "a.yaml"), space={"model": models})


def test_a_study_keeps_its_own_copy_of_the_models(tmp_path: Path) -> None:
    spec = adopt(with_models(tmp_path / "upload"), tmp_path / "study")

    assert Path(spec.model) == tmp_path / "study" / "models" / "a.yaml"
    assert Path(spec.model).read_text() == "nc: 3"
    choices = spec.search_space.parameters["model"].choices  # type: ignore[union-attr]
    assert choices == tuple(str(tmp_path / "study" / "models" / name) for name in ("a.yaml", "b.yaml"))


def test_the_same_study_from_another_upload_is_the_same_study(tmp_path: Path) -> None:
    study = tmp_path / "study"
    first = adopt(with_models(tmp_path / "upload1"), study)
    claim(study, first)
    Journal.create(study, name="small", metric=METRIC)

    claim(study, adopt(with_models(tmp_path / "upload2"), study))
    claim(study, adopt(stored(study / "study.yaml"), study))


def test_a_model_of_the_same_name_with_other_content_is_another_study(tmp_path: Path) -> None:
    adopt(with_models(tmp_path / "upload1"), tmp_path / "study")

    with pytest.raises(StudyError, match=r"a\.yaml: must be the model that the study began with"):
        adopt(with_models(tmp_path / "upload2", content="nc: 4"), tmp_path / "study")


def test_a_model_that_ultralytics_ships_stays_a_name(tmp_path: Path) -> None:
    assert adopt(spec_of(model="tiny.yaml"), tmp_path).model == "tiny.yaml"


def test_a_study_that_has_begun_keeps_its_description(tmp_path: Path) -> None:
    claim(tmp_path, spec_of())
    claim(tmp_path, spec_of(seed=1))  # not begun: the new one is taken
    Journal.create(tmp_path, name="small", metric=METRIC)

    with pytest.raises(StudyError, match=r"(?s)must belong to the same description.*seed: 1 there, 2 here"):
        claim(tmp_path, spec_of(seed=2))
    assert (tmp_path / "study.yaml").read_text() == dump(spec_of(seed=1))


def test_the_users_data_folder_is_not_written_to(tmp_path: Path) -> None:
    data = sample.draw(tmp_path / "mine", splits={"train": 4, "val": 3, "test": 3})
    before = sorted(path for path in (tmp_path / "mine").rglob("*"))

    with opened(spec_of(data=str(data)), Place(tmp_path / "storage"), console=Console(quiet=True)) as session:
        assert session.staged.is_relative_to(tmp_path / "storage" / "runs" / "small")

    assert sorted(path for path in (tmp_path / "mine").rglob("*")) == before


def test_a_submitted_job_does_not_keep_its_study_in_the_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUTOML_STORAGE", raising=False)
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    assert default_storage() == tmp_path

    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert default_storage() == Path.home() / "automl"

    monkeypatch.setenv("AUTOML_STORAGE", "/shared")
    assert default_storage() == Path("/shared")
