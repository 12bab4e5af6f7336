"""What a data set looks like in numbers, and that alike ones come out as alike."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from automl.data import check, sample
from automl.data.summary import Summary, similarity, summarise
from automl.study.yaml_io import read_yaml
from tests.builders import written
from tests.past_studies import BOLTS

SHARED = "AUTOML_DATASETS"
"""Names a folder with the data sets bolts, bccd and screws-tiny; without it those tests are skipped."""


def drawn(root: Path, labels: list[str], *, size: tuple[int, int] = (320, 180)) -> list[Path]:
    images = []
    for number, text in enumerate(labels):
        path = root / "images" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size).save(path)
        written(root / "labels", f"{number}.txt", text)
        images.append(path)
    return images


def summary_of(source: Path, *, part: slice = slice(None), name: str = "") -> Summary:
    data = check.check(source, read_yaml(source), splits=("train",))
    found = summarise(data.images["train"][part], classes=len(data.names), fingerprint=f"{source}{part}{name}")
    assert found is not None
    return found


def test_the_numbers_are_those_of_the_labels(tmp_path: Path) -> None:
    images = drawn(
        tmp_path, ["0 0.5 0.5 0.4 0.1\n1 0.5 0.5 0.2 0.2\n", "0 0.5 0.5 0.1 0.4\n", "", "7 0.5 0.5 0.1 0.1\n"]
    )
    found = summarise(images, classes=2, fingerprint="f")
    assert found is not None
    assert (found.images, found.classes, found.boxes, found.pixels) == (4, 2, 0.75, 240.0)
    assert found.sizes == pytest.approx((0.2, 0.2, 0.2))
    assert found.aspects == pytest.approx((0.4, 1.0, 3.4))
    assert found.balance == pytest.approx(0.9183, abs=1e-4)


def test_a_polygon_counts_as_the_box_round_it(tmp_path: Path) -> None:
    images = drawn(tmp_path, ["0 0.1 0.1 0.5 0.1 0.5 0.2 0.1 0.2\n"])
    found = summarise(images, classes=1, fingerprint="f")
    assert found is not None
    assert found.aspects == pytest.approx((4, 4, 4))
    assert found.balance == 1.0


def test_a_data_set_without_a_box_has_no_summary(tmp_path: Path) -> None:
    assert summarise(drawn(tmp_path, ["", ""]), classes=1, fingerprint="f") is None
    assert summarise([], classes=1, fingerprint="f") is None


def test_images_that_cannot_be_read_have_no_size(tmp_path: Path) -> None:
    image = written(tmp_path / "images", "0.jpg", "no picture")
    written(tmp_path / "labels", "0.txt", "0 0.5 0.5 0.1 0.1\n")
    found = summarise([image], classes=1, fingerprint="f")
    assert found is not None
    assert found.pixels is None


def test_of_a_large_data_set_images_from_all_over_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = drawn(tmp_path, ["0 0.5 0.5 0.1 0.1\n"] * 10 + ["0 0.5 0.5 0.1 0.1\n" * 3] * 10, size=(8, 8))
    monkeypatch.setattr("automl.data.summary.MOST_LABELS", 4)
    found = summarise(images, classes=1, fingerprint="f")
    assert found is not None
    assert (found.images, found.boxes) == (20, 2.0)


def test_a_summary_survives_its_file() -> None:
    assert Summary.from_dict(BOLTS.to_dict()) == BOLTS


@pytest.mark.parametrize(
    "changes",
    [{"images": 0}, {"images": 1.5}, {"boxes": float("nan")}, {"sizes": [0, 1, 1]}, {"balance": 2}, {"sizes": [1]},
     {"pixels": -1.0}, {"aspects": [float("inf"), 1, 1]}],
)  # fmt: skip
def test_numbers_that_no_data_set_has_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be the summary of a data set"):
        Summary.from_dict(BOLTS.to_dict() | changes)


def test_the_same_data_are_wholly_alike_and_similarity_is_the_same_from_both_sides() -> None:
    other = replace(BOLTS, fingerprint="o", images=900, sizes=(0.01, 0.02, 0.03))
    assert similarity(BOLTS, replace(other, fingerprint=BOLTS.fingerprint)) == 1.0
    assert similarity(BOLTS, replace(BOLTS, fingerprint="o")) == 1.0
    assert similarity(BOLTS, other) == similarity(other, BOLTS) < 0.8


@pytest.mark.parametrize(
    "change",
    [
        lambda factor: replace(BOLTS, fingerprint="o", images=int(BOLTS.images * factor)),
        lambda factor: replace(BOLTS, fingerprint="o", classes=int(BOLTS.classes * factor)),
        lambda factor: replace(BOLTS, fingerprint="o", boxes=BOLTS.boxes * factor),
        lambda factor: replace(BOLTS, fingerprint="o", sizes=(0.03 * factor, 0.08 * factor, 0.24 * factor)),
        lambda factor: replace(BOLTS, fingerprint="o", aspects=(0.35 * factor, 0.57 * factor, 1.6 * factor)),
        lambda factor: replace(BOLTS, fingerprint="o", balance=BOLTS.balance / factor),
        lambda factor: replace(BOLTS, fingerprint="o", pixels=277.0 * factor),
    ],
)
def test_the_further_a_number_is_off_the_less_alike(change: Callable[[int], Summary]) -> None:
    assert 1 > similarity(BOLTS, change(2)) > similarity(BOLTS, change(4)) > 0


def test_sizes_in_pixels_count_only_where_both_are_known() -> None:
    assert similarity(replace(BOLTS, fingerprint="o", pixels=None), BOLTS) == 1.0


def test_two_drawings_of_the_sample_are_more_alike_than_sample_and_bolts(tmp_path: Path) -> None:
    one, other = (
        summary_of(sample.draw(tmp_path / str(seed), seed=seed, splits={"train": 24, "val": 1, "test": 1}))
        for seed in (0, 1)
    )
    assert similarity(one, other) > 0.85
    assert similarity(one, BOLTS) < 0.5


@pytest.mark.slow
@pytest.mark.skipif(SHARED not in os.environ, reason=f"${SHARED} names no folder with real data sets")
def test_parts_of_one_real_data_set_are_more_alike_than_two_data_sets(tmp_path: Path) -> None:
    places = {name: Path(os.environ[SHARED]) / name / "data.yaml" for name in ("bolts", "bccd", "screws-tiny")}
    places["sample"] = sample.draw(tmp_path / "sample", splits={"train": 40, "val": 1, "test": 1})
    wholes = {name: summary_of(place) for name, place in places.items()}
    for name, place in places.items():
        parts = [summary_of(place, part=part) for part in (slice(0, None, 2), slice(1, None, 2), slice(1, None, 4))]
        own = min(similarity(wholes[name], part) for part in parts)
        others = {other: similarity(wholes[name], whole) for other, whole in wholes.items() if other != name}
        assert own > max(others.values()) + 0.1, (name, own, others)
