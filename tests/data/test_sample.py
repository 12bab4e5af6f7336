"""The sample data set: the same bytes for the same seed, boxes that fit, all classes in all splits."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data import check, sample
from automl.storage.files import sha256

SMALL = {"train": 12, "val": 8}


def contents(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): sha256(path) for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.draw(tmp_path_factory.mktemp("sample"), seed=0, splits=SMALL).parent


def test_the_same_seed_draws_the_same_bytes(root: Path, tmp_path: Path) -> None:
    sample.draw(tmp_path, seed=0, splits=SMALL)
    assert contents(tmp_path) == contents(root)


def test_another_seed_draws_other_pictures(root: Path, tmp_path: Path) -> None:
    sample.draw(tmp_path, seed=1, splits=SMALL)
    pictures = {digest for name, digest in contents(root).items() if name.endswith(".jpg")}
    assert pictures.isdisjoint(contents(tmp_path).values())


def test_a_larger_set_begins_with_the_smaller_one(root: Path, tmp_path: Path) -> None:
    sample.draw(tmp_path, seed=0, splits={"train": 14})
    larger = contents(tmp_path)
    assert all(larger[name] == digest for name, digest in contents(root).items() if "/train/" in name)


def test_no_picture_stands_in_two_splits(root: Path) -> None:
    digests = [digest for name, digest in contents(root).items() if name.endswith(".jpg")]
    assert len(set(digests)) == sum(SMALL.values())


def test_what_is_drawn_passes_the_data_check(root: Path) -> None:
    raw = yaml.safe_load((root / "data.yaml").read_text())
    found = check.check(root / "data.yaml", raw, splits=("train", "val"))
    assert found.warnings == ()
    assert list(found.names.values()) == list(sample.NAMES)
    assert {split: len(images) for split, images in found.images.items()} == SMALL


def test_pictures_are_small_and_in_three_channels(root: Path) -> None:
    picture = cv2.imread(str(root / "images/train/0000.jpg"))
    assert picture is not None
    assert picture.shape == (sample.SIZE, sample.SIZE, 3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_boxes_lie_inside_the_picture_and_hardly_overlap(seed: int) -> None:
    picture, boxes = sample.scene(np.random.default_rng(seed))
    assert picture.dtype == np.uint8
    assert len(boxes) <= sample.MAX_DEFECTS
    for index, (kind, box) in enumerate(boxes):
        assert 0 <= kind < len(sample.NAMES)
        assert 0 <= box[0] < box[2] <= sample.SIZE
        assert 0 <= box[1] < box[3] <= sample.SIZE
        assert all(sample.overlap(box, other) <= sample.MAX_OVERLAP for _, other in boxes[index + 1 :])


@pytest.mark.parametrize("kind", range(len(sample.NAMES)))
def test_a_defect_changes_the_metal_inside_its_box(kind: int) -> None:
    rng = np.random.default_rng(kind)
    metal = sample.brushed_metal(rng)
    drawn, mask = sample.DEFECTS[kind](metal, rng)
    box = sample.bounding_box(mask)
    assert box is not None
    inside = np.abs(drawn - metal)[box[1] : box[3], box[0] : box[2]].max()
    assert inside > 15
    assert np.abs(drawn - metal)[mask < 0.01].mean() < 0.2 * inside


def test_pictures_without_a_defect_are_there() -> None:
    drawn = [sample.scene(np.random.default_rng(seed))[1] for seed in range(80)]
    assert 0 < sum(not boxes for boxes in drawn) < 20


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ((0, 0, 10, 10), (10, 0, 20, 10), 0.0),
        ((0, 0, 10, 10), (20, 20, 30, 30), 0.0),
        ((0, 0, 10, 10), (2, 2, 4, 4), 1.0),
        ((0, 0, 10, 10), (5, 5, 25, 15), 0.25),
    ],
)
def test_overlap_is_the_share_of_the_smaller_box(one: sample.Box, other: sample.Box, share: float) -> None:
    assert sample.overlap(one, other) == sample.overlap(other, one) == share


def test_a_speck_has_no_box() -> None:
    mask = np.zeros((sample.SIZE, sample.SIZE), np.float32)
    mask[5, 5:10] = 1.0
    assert sample.bounding_box(mask) is None
    mask[6, 5] = 1.0
    assert sample.bounding_box(mask) == (5, 5, 10, 7)
