"""The TensorBoard writer of a study's trials and re-trainings."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Final

from automl.data.record import DataSet
from automl.study.spec import StudySpec
from automl.tracking.tensorboard_writer import Board, BoardSettings

PACKAGES: Final = ("yolo-automl-ray", "ultralytics", "torch", "ray", "optuna")


def board_of(folder: Path, spec: StudySpec, data: DataSet) -> Board:
    """Return the writer of a study: its facts are the model, the data and the versions that train it."""
    images = [f"{len(paths)} {split}" for split, paths in data.images.items()]
    return Board(
        folder,
        spec.search_space,
        BoardSettings(
            metric=spec.metric,
            fixed={"model": spec.model, **spec.train},
            about={
                "model": spec.model,
                "data": f"{data.source}: {', '.join(images)} images",
                "data fingerprint": data.fingerprint,
                "classes": ", ".join(data.names.values()),
                "Python": platform.python_version(),
                **{name: version(name) for name in PACKAGES},
            },
            budget_mb=spec.tracking.budget_mb,
        ),
    )
