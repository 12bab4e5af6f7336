"""Weights that propose boxes: files of a storage that a page may name, and `.pt` as the ONNX model that is run."""

import shutil
from pathlib import Path
from typing import Final

from automl.storage import scratch
from automl.storage.layout import ONNX
from automl.study import EvalSettings
from automl.study.errors import RegistryError
from automl.trainers import trainer_of
from automl.trainers.other_formats import Form, OtherFormats

TORCH: Final = ".pt"
SUFFIXES: Final = (Path(ONNX).suffix, TORCH)
FOLDER: Final = "weights"
"""Folder of a storage whose files are offered, beside those directly in it."""
IOU: Final = 0.7
MOST_BOXES: Final = 300
"""As in `Thresholds`: the boxes of the exported model are chosen afterwards."""


def offered(storage: Path) -> list[str]:
    """Return the files that may propose boxes, relative to the storage; links are left out."""
    found = [path for folder in (storage, storage / FOLDER) for path in folder.glob("*") if path.suffix in SUFFIXES]
    return sorted(path.relative_to(storage).as_posix() for path in found if path.is_file() and not path.is_symlink())


def inside(storage: Path, name: str) -> Path:
    """Return the file of a name that a person typed, relative to the storage.

    Raises:
        RegistryError: it is none, or leads out of the storage.
    """
    path, root = storage / name, storage.resolve()
    if Path(name).is_absolute() or not path.resolve().is_relative_to(root) or not path.is_file():
        raise RegistryError(f"{name[:200]}: must be an {' or '.join(SUFFIXES)} file in the storage, but is not")
    return path


def as_onnx(weights: Path) -> bytes:
    """Return `.pt` weights as an ONNX model with the size that they were trained at; nothing is written beside them.

    Raises:
        RegistryError: they are no weights of a detector, could run code, or this trainer cannot export them.
        ExportError: the exporter refuses.
    """
    trainer = trainer_of()
    if mistake := trainer.model_mistake(weights):
        raise RegistryError(f"{weights}: {mistake}")
    if not isinstance(trainer, OtherFormats):
        raise RegistryError(f"{weights}: must be weights of a trainer that exports them, but this one does not")
    with scratch.folder() as place:
        source = place / "model.pt"
        shutil.copyfile(weights, source)
        edge = trainer.edge_of(source)
        record = EvalSettings(
            imgsz=edge, channels=3, conf=None, iou=IOU, max_det=MOST_BOXES, agnostic_nms=False, single_cls=False,
            classes=None, nms=True, names={},
        )  # fmt: skip
        return trainer.export_as(source, record, Form("onnx", edge, edge)).read_bytes()
