"""One study's folder: whose it is, and that it holds what the study needs."""

from pathlib import Path

import pytest
from rich.console import Console

from automl.data import sample
from automl.pipeline.inputs import adopt
from automl.pipeline.session import claim, opened
from automl.storage.journal import Journal
from automl.storage.place import Place, default_storage
from automl.study.errors import StudyError
from automl.study.load import dump, stored
from automl.study.spec import StudySpec
from automl.trials.jobs import RunContext
from tests.builders import METRIC, spec_of


def with_models(folder: Path, *, content: str = "nc: 3") -> StudySpec:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("a.yaml", "b.yaml"):
        (folder / name).write_text(content)
    models = {"choices": [str(folder / "a.yaml"), str(folder / "b.yaml")], "default": str(folder / "a.yaml")}
    return spec_of(model=str(folder / "a.yaml"), space={"model": models})


def test_a_study_keeps_its_own_copy_of_the_models(tmp_path: Path) -> None:
    study = tmp_path / "study"
    spec = adopt(with_models(tmp_path / "upload"), study)

    assert (study / spec.model).read_text() == "nc: 3"
    choices = spec.search_space.parameters["model"].choices  # type: ignore[union-attr]
    assert [Path(str(choice)).name for choice in choices] == ["a.yaml", "b.yaml"]
    assert all((study / str(choice)).is_file() for choice in choices)


def test_the_same_study_from_another_upload_or_under_another_path_is_the_same_study(tmp_path: Path) -> None:
    study, link = tmp_path / "study", tmp_path / "link"
    claim(study, adopt(with_models(tmp_path / "upload1"), study))
    Journal.create(study, name="small", metric=METRIC)
    link.symlink_to(study)

    claim(study, adopt(with_models(tmp_path / "upload2"), study))
    claim(link, adopt(stored(link / "study.yaml"), link))


def test_a_model_of_the_same_name_with_other_content_is_another_study(tmp_path: Path) -> None:
    study = tmp_path / "study"
    claim(study, adopt(with_models(tmp_path / "upload1"), study))
    Journal.create(study, name="small", metric=METRIC)

    with pytest.raises(StudyError, match=r"(?s)must belong to the same description.*model: "):
        claim(study, adopt(with_models(tmp_path / "upload2", content="nc: 4"), study))


def test_two_models_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    files = [tmp_path / run / "best.pt" for run in ("run1", "run2")]
    for file in files:
        file.parent.mkdir()
        file.write_text(str(file))
    models = {"choices": [str(file) for file in files], "default": str(files[0])}

    spec = adopt(spec_of(model=str(files[0]), space={"model": models}), tmp_path / "study")

    choices = spec.search_space.parameters["model"].choices  # type: ignore[union-attr]
    assert [(tmp_path / "study" / str(choice)).read_text() for choice in choices] == [str(file) for file in files]


def test_data_that_changed_under_a_study_is_refused(tmp_path: Path) -> None:
    data = sample.draw(tmp_path / "mine", splits={"train": 4, "val": 3, "test": 3})
    storage, console = Place(tmp_path / "storage"), Console(quiet=True)
    with opened(spec_of(data=str(data)), storage, console=console):
        pass
    (tmp_path / "mine" / "labels" / "train" / "0000.txt").write_text("0 0.5 0.5 0.25 0.25\n")

    with (
        pytest.raises(StudyError, match="must be the data set with which the study began"),
        opened(spec_of(data=str(data)), storage, console=console),
    ):
        pass


def test_a_ladder_that_starts_within_the_warm_up_is_warned_about_at_the_start(tmp_path: Path) -> None:
    data = sample.draw(tmp_path / "mine", splits={"train": 4, "val": 3, "test": 3})
    with opened(spec_of(data=str(data)), Place(tmp_path / "storage"), console=Console(quiet=True)) as session:
        log = (session.folder / "study.log").read_text()
    assert "ladder warning: ladder.min_epochs: should be at least 2 x the longest warm-up" in log


def test_a_mosaic_that_is_off_from_the_first_epoch_is_warned_about(tmp_path: Path) -> None:
    data = sample.draw(tmp_path / "mine", splits={"train": 4, "val": 3, "test": 3})
    spec = spec_of(data=str(data), ladder={"min_epochs": 6, "max_epochs": 6})
    with opened(spec, Place(tmp_path / "storage"), console=Console(quiet=True)) as session:
        log = (session.folder / "study.log").read_text()
    assert "ladder warning: train.close_mosaic: should be at most half of max_epochs" in log


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


def test_weights_that_settings_name_are_kept_and_passed_by_their_absolute_path(tmp_path: Path) -> None:
    study, start = tmp_path / "study", tmp_path / "start.pt"
    start.write_text("weights")
    space = {"pretrained": {"choices": [str(start), True], "default": True}}
    spec = adopt(spec_of(train={"distill_model": str(start)}, space=space), study)
    start.unlink()

    assert adopt(spec, study) == spec
    context = RunContext(study, spec, tmp_path / "data.yaml", gpus=0, threads=1, concurrent=1)
    kept = spec.train["distill_model"]
    job = context.job(study / "trial", number=0, params={"pretrained": kept}, seed=0)
    assert Path(job.settings["distill_model"]).read_text() == "weights"
    assert job.params == {"pretrained": str(study / kept)}
    assert context.placed({"pretrained": True}) == {"pretrained": True}


def test_a_description_named_with_its_scale_is_kept_under_that_name(tmp_path: Path) -> None:
    study = tmp_path / "study"
    (tmp_path / "yolo11-mine.yaml").write_text("nc: 3")
    spec = adopt(spec_of(model=str(tmp_path / "yolo11s-mine.yaml")), study)
    assert Path(spec.model).name == "yolo11s-mine.yaml"
    assert (study / spec.model).read_text() == "nc: 3"
