"""Weights that propose boxes: which files of a storage a page may name, and `.pt` as they are run."""

import os
from pathlib import Path

import pytest
import torch

from automl.apps import given_weights, labels
from automl.data.labelling import proposals
from automl.study.errors import RegistryError
from automl.trainers import trainer_of
from tests.builders import written
from tests.conftest import job_at
from tests.data.labelling.stores import store_in


def test_files_of_the_storage_are_offered_and_none_beyond(tmp_path: Path) -> None:
    storage, beyond = tmp_path / "storage", written(tmp_path, "beyond.pt", "")
    for name in ("b.onnx", "weights/a.pt", "data/x/own.pt", "notes.txt"):
        written(storage, name, "")
    (storage / "link.pt").symlink_to(beyond)
    assert given_weights.offered(storage) == ["b.onnx", "weights/a.pt"]
    assert given_weights.inside(storage, "data/x/own.pt").is_file()
    for name in ("link.pt", "../beyond.pt", str(beyond), "none.pt", ""):
        with pytest.raises(RegistryError, match=r"must be an \.onnx or \.pt file in the storage"):
            given_weights.inside(storage, name)


@pytest.mark.yolo
def test_weights_propose_boxes_and_those_that_run_code_are_refused(tmp_path: Path, data: Path) -> None:
    storage, marker = tmp_path / "storage", tmp_path / "ran"
    (storage / "weights").mkdir(parents=True)
    trainer_of().write_untrained(storage / "weights/own.pt", job_at(tmp_path / "job", data))
    store = store_in(tmp_path / "set")
    assert labels.propose_by(store, "weights/own.pt", storage) == 2
    found = proposals.read(store, "images/waiting/d.png")
    assert found is not None
    assert found.model == "own.pt"
    assert [path.name for path in (storage / "weights").iterdir()] == ["own.pt"]
    torch.save(Evil(marker), storage / "evil.pt")
    with pytest.raises(RegistryError, match=r"evil\.pt: must contain layers and numbers only"):
        labels.propose_by(store, "evil.pt", storage)
    assert not marker.exists()


class Evil:
    """Becomes a call when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.marker),)
