"""The columns of `results.csv` in a checkpoint: those that Ultralytics reads with polars."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.yolo


@pytest.mark.parametrize(
    "text",
    [
        "epoch,time,metrics/mAP50(B)\n1,0.5,0.25\n2,1.25,1e-3\n",
        "epoch,metrics/mAP50(B)\n1,\n2,0.5\n",
        "epoch,lr/pg0\n1,0\n2,0.5\n",
    ],
    ids=["numbers", "an empty value", "a whole number among others"],
)
def test_the_columns_are_those_that_ultralytics_reads(tmp_path: Path, text: str) -> None:
    from ultralytics.models.yolo.detect import DetectionTrainer  # noqa: PLC0415

    from automl.trainers.yolo.trainer_class import StudyTrainer  # noqa: PLC0415

    trainer = object.__new__(StudyTrainer)
    trainer.csv = tmp_path / "results.csv"
    trainer.csv.write_text(text)
    assert trainer.read_results_csv() == DetectionTrainer.read_results_csv(trainer)


def test_without_results_there_are_no_columns(tmp_path: Path) -> None:
    from automl.trainers.yolo.trainer_class import StudyTrainer  # noqa: PLC0415

    trainer = object.__new__(StudyTrainer)
    trainer.csv = tmp_path / "results.csv"
    assert trainer.read_results_csv() == {}
