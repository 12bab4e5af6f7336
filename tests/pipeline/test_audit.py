"""The label audit of a study: which models predict, what is kept, what is refused; labels are never changed."""

import logging
from pathlib import Path

import pytest

import automl
from automl.data import check, sample, staging
from automl.data.audit.records import Kind
from automl.pipeline import audit as stage
from automl.storage import job_file
from automl.storage.layout import BEST, CONFIRM, trial_folder
from automl.storage.registry import Registry
from automl.study.errors import StudyError
from automl.study.yaml_io import read_yaml
from tests import tiny_trainer
from tests.conftest import tiny_job_at
from tests.past_studies import past, ten
from tests.tiny_files import WEIGHTS, write


def weights(folder: Path, staged: Path, quality: float) -> Path:
    """Write the job and the weights of a training of the tiny trainer."""
    folder.mkdir(parents=True, exist_ok=True)
    job_file.write(tiny_job_at(folder, staged))
    made = {"epoch": -1, "quality": quality, "parameters": tiny_trainer.PARAMETERS}
    write(folder / BEST, WEIGHTS, made)
    return folder / BEST


@pytest.fixture
def study(tmp_path: Path) -> automl.Study:
    """A study whose trials 7 and 3 still have weights; the tiny trainer finds each label but the first of an image."""
    source = sample.draw(tmp_path / "set", splits={"train": 6, "val": 4, "test": 4})
    folder = past(tmp_path, data=str(source))
    checked = check.check(source, read_yaml(source), splits=("train", "val", "test"))
    staged = staging.stage(checked, folder / "data")
    for number, quality in ((7, 0.7), (3, 0.6)):
        weights(trial_folder(folder, ten()[number], "tiny.yaml"), staged, quality)
    return automl.open_study(folder)


def models(study: automl.Study, *, most: int = 5) -> list[str]:
    registry = Registry(study.folder.parents[1] / "models", "a")
    found = stage.kept(study.folder, registry, metric=study.spec.metric, model=study.spec.model)
    return [model.name for model in stage.models_of(study.folder, found, most=most)]


def test_labels_that_no_model_finds_are_named_and_no_file_changes(study: automl.Study) -> None:
    files = sorted(path for path in Path(study.spec.data).parent.rglob("*") if path.is_file())
    before = [path.read_bytes() for path in files]
    found = study.audit()
    assert (found.models, found.images) == (("trial 7", "trial 3"), {"train": 6, "val": 4})
    assert {(one.kind, one.line, one.models) for one in found.suspects} == {(Kind.MISSED, 1, found.models)}
    assert 5 <= len(found.suspects) <= 10  # those of a class of which more are missed have a score below the least
    assert [path.read_bytes() for path in files] == before
    assert "Label audit: a" in study.audit_page.read_text(encoding="utf-8")
    assert (study.folder / "audit.json").is_file()


def test_other_splits_and_fewer_models_are_asked_for(study: automl.Study) -> None:
    found = study.audit(models=1, splits=("test",), lang="zh")
    assert (found.models, found.images) == (("trial 7",), {"test": 4})
    assert '<html lang="zh-CN">' in study.audit_page.read_text(encoding="utf-8")


def test_the_best_models_predict_first_and_equal_weights_once(study: automl.Study) -> None:
    staged = study.folder / "data" / "data.yaml"
    weights(study.folder / CONFIRM / "trial7_seed1", staged, 0.8)
    weights(study.folder / CONFIRM / "trial7_seed2", staged, 0.7)
    assert models(study) == ["trial7_seed1", "trial7_seed2", "trial 3"]
    assert models(study, most=2) == ["trial7_seed1", "trial7_seed2"]


def test_a_second_audit_predicts_nothing_and_gives_the_same_list(
    study: automl.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = study.audit()
    monkeypatch.setattr(tiny_trainer, "detect", None)
    assert study.audit() == first


def test_after_a_label_is_corrected_it_is_no_suspect_any_more(study: automl.Study) -> None:
    first = study.audit().suspects[0]
    lines = first.labels.read_text().splitlines(keepends=True)
    first.labels.write_text("".join(lines[1:]))
    found = study.audit()
    assert first.id not in {one.id for one in found.suspects}


def test_damaged_detections_are_predicted_again(study: automl.Study, caplog: pytest.LogCaptureFixture) -> None:
    first = study.audit()
    kept = sorted((study.folder / "audit").iterdir())[0]
    kept.write_bytes(kept.read_bytes()[:100])
    with caplog.at_level(logging.INFO, logger="automl"):
        assert study.audit() == first
    assert f"{kept}: must contain detections" in caplog.text


def test_a_study_without_weights_is_refused_with_the_remedy(study: automl.Study) -> None:
    for path in study.folder.rglob(BEST):
        path.unlink()
    with pytest.raises(StudyError, match=r"must have weights of at least one ended trial.*retention\.keep"):
        study.audit()


def test_what_cannot_be_audited_is_refused(study: automl.Study) -> None:
    with pytest.raises(StudyError, match="split: must be train, val or test, but got all"):
        study.audit(splits=("all",))
    with pytest.raises(StudyError, match="models: must be at least 1, but got 0"):
        study.audit(models=0)
    with pytest.raises(StudyError, match="lang: must be en or zh, but got fr"):
        study.audit(lang="fr")
    (study.folder / "data" / "data.yaml").unlink()
    with pytest.raises(StudyError, match="must be the staged data set, but is missing; `automl resume`"):
        study.audit()
