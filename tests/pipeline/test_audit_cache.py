"""The cache of detections: what was written is read, anything else is refused."""

from pathlib import Path

import pytest

from automl.pipeline import audit_cache
from automl.storage.records import RecordError
from tests.data.audit.builders import HOME, detections


def test_detections_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = audit_cache.place(tmp_path / "audit", weights="a" * 64, data="b" * 64, split="val")
    audit_cache.write(path, [detections(), detections((1, HOME, 0.5), (0, HOME, 0.25)), detections()])
    found = audit_cache.read(path, 3)
    assert [one.conf.tolist() for one in found] == [[], [0.5, 0.25], []]
    assert found[1].kind.tolist() == [1, 0]
    assert [path.name for path in path.parent.iterdir()] == [path.name]


def test_other_weights_data_and_splits_have_other_files(tmp_path: Path) -> None:
    names = {
        audit_cache.place(tmp_path, weights=weights * 64, data=data * 64, split=split).name
        for weights, data, split in (("a", "b", "val"), ("b", "b", "val"), ("a", "a", "val"), ("a", "b", "train"))
    }
    assert len(names) == 4


def test_a_damaged_file_and_one_of_other_images_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    audit_cache.write(path, [detections((0, HOME, 0.5))])
    with pytest.raises(RecordError, match="detections of 1 images, not of 2"):
        audit_cache.read(path, 2)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordError, match="must contain detections"):
        audit_cache.read(path, 1)
    with pytest.raises(RecordError, match="No such file"):
        audit_cache.read(tmp_path / "none.npz", 1)


def test_no_images_are_no_detections(tmp_path: Path) -> None:
    audit_cache.write(tmp_path / "a.npz", [])
    assert audit_cache.read(tmp_path / "a.npz", 0) == []
