"""Out-of-fold predictions: every image is left out once, trainings are kept, and what cannot be divided is refused."""

from pathlib import Path

import pytest

import automl
from automl.pipeline import audit_folds
from automl.study.errors import StudyError
from automl.trials import worker
from tests import tiny_trainer
from tests.pipeline.test_audit import study  # noqa: F401  (a fixture)


def test_each_image_is_predicted_by_the_one_training_without_it(
    study: automl.Study,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = dict[str, list[Path]]()
    detect = tiny_trainer.detect

    def seen(weights: Path, job: automl.study.Job, images: list[Path]) -> object:
        trained = {path.resolve() for path in (weights.parent / "data" / "images" / "train").iterdir()}
        assert not trained & {path.resolve() for path in images}
        asked[weights.parent.name] = list(images)
        return detect(weights, job, images)

    monkeypatch.setattr(tiny_trainer, "detect", seen)
    found = study.audit(folds=3, epochs=2, splits=("train", "val", "test"))
    assert (found.models, found.folds, found.learned) == ((audit_folds.NAME,), 3, False)
    assert {one.models for one in found.suspects} <= {(audit_folds.NAME,)}
    counts = {"train": 6, "val": 4, "test": 4}
    assert found.images == counts
    assert sorted(map(len, asked.values())) == [3, 3, 8]  # ten images in three parts, test with the first
    assert len({path for paths in asked.values() for path in paths}) == sum(counts.values())


def test_a_second_audit_trains_and_predicts_nothing_and_other_epochs_train_again(
    study: automl.Study,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = study.audit(folds=2, epochs=2)
    monkeypatch.setattr(tiny_trainer, "detect", None)
    with monkeypatch.context() as without:
        without.setattr(worker, "run", None)
        assert study.audit(folds=2, epochs=2) == first
    with pytest.raises(TypeError, match="not callable"):
        study.audit(folds=2, epochs=3)


@pytest.mark.parametrize(
    ("folds", "epochs", "message"),
    [
        (1, 0, "folds, epochs: must be 2 or more, and 1 or more, but got 1 and 0"),
        (99, 0, "folds: must be between 2 and the 10 images, but got 99"),
        (0, 3, "epochs: must go with folds, whose trainings it shortens, but got no folds"),
    ],
)
def test_what_cannot_be_divided_is_refused(study: automl.Study, folds: int, epochs: int, message: str) -> None:  # noqa: F811
    with pytest.raises(StudyError, match=message):
        study.audit(folds=folds, epochs=epochs)
