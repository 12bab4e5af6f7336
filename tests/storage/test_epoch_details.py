"""Details of an epoch: what is written is read back, and damage stops nothing."""

from pathlib import Path

import numpy as np
import pytest

from automl.storage.epoch_details import (
    EpochDetails,
    Histogram,
    PrCurve,
    picture_file,
    picture_files,
    read_details,
    write_details,
)
from automl.storage.layout import DETAILS
from automl.study.errors import StudyError


def some() -> EpochDetails:
    return EpochDetails(
        images={"val/predictions": b"\x89PNG and more"},
        pr_curves={"val/pr/hole": PrCurve(np.array([0.5, 0.75, 1.0]), np.array([1.0, 0.5, 0.0]), 7)},
        histograms={"weights/head": Histogram(np.array([1.0, 3.0]), np.array([-1.0, 0.0, 1.0]))},
    )


def test_pictures_are_read_back(tmp_path: Path) -> None:
    path = picture_file(tmp_path, 12)
    path.parent.mkdir()
    some().save(path)

    found = EpochDetails.load(path)

    assert picture_files(tmp_path) == [(12, path)]
    assert found.images == some().images
    curve, histogram = found.pr_curves["val/pr/hole"], found.histograms["weights/head"]
    assert (curve.precision.tolist(), curve.recall.tolist(), curve.truths) == ([0.5, 0.75, 1.0], [1.0, 0.5, 0.0], 7)
    assert (histogram.counts.tolist(), histogram.edges.tolist()) == ([1.0, 3.0], [-1.0, 0.0, 1.0])


def test_an_epoch_of_scalars_has_no_archive() -> None:
    assert not EpochDetails({"a": 1.0}).pictured
    assert some().pictured


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut"])
def test_a_damaged_archive_is_one_message(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "000001.npz"
    path.write_bytes(content)

    with pytest.raises(StudyError, match=r"000001\.npz: must be an archive of pictures"):
        EpochDetails.load(path)


def test_scalars_are_read_back_with_their_gaps(tmp_path: Path) -> None:
    write_details(tmp_path, {2: {"a": 0.25, "class/x": 0.5}, 1: {"a": 1.0}})

    assert read_details(tmp_path) == {1: {"a": 1.0}, 2: {"a": 0.25, "class/x": 0.5}}


@pytest.mark.parametrize("content", [b"", b"epoch,a\nx,1\n", b"\xff\xfe", b"epoch,a\n1,2,3\n", b"a\n1\n"])
def test_damaged_scalars_are_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / DETAILS).write_bytes(content)

    assert read_details(tmp_path) == {}


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    assert read_details(tmp_path) == {}
