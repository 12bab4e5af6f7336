"""Facts on a data set: counts, sizes, places, copies, broken files, coverage."""

import json
from dataclasses import replace
from pathlib import Path

from automl.data.report.collect import collect
from automl.data.report.records import ClassCount, Gap
from automl.study.plain_values import plain
from tests.data.report.builders import GOOD, checked, image, report


def test_boxes_and_images_are_counted_by_class_and_split(tmp_path: Path) -> None:
    image(tmp_path, "train/a.png", f"{GOOD}0 0.2 0.2 0.1 0.1\n1 0.8 0.8 0.1 0.1\n")
    image(tmp_path, "train/b.png", "1 0.8 0.8 0.1 0.1\n")
    image(tmp_path, "train/c.png", "")
    facts = report(tmp_path).splits["train"]
    assert (facts.listed, facts.images, facts.backgrounds, facts.boxes) == (3, 3, 1, 4)
    assert facts.classes == {"hole": ClassCount(2, 1), "spot": ClassCount(2, 2)}


def test_sizes_are_those_of_the_image_and_those_at_the_image_size_of_the_study(tmp_path: Path) -> None:
    image(tmp_path, "train/a.png", "0 0.5 0.5 0.07 0.07\n0 0.3 0.3 0.4 0.4\n1 0.5 0.5 1 1\n")
    facts = report(tmp_path, imgsz=400).splits["train"]
    assert facts.sizes == {"tiny": 1, "small": 0, "medium": 1, "large": 1}
    assert facts.sizes_trained == {"tiny": 0, "small": 1, "medium": 0, "large": 2}


def test_places_are_the_cells_of_the_centres(tmp_path: Path) -> None:
    image(tmp_path, "train/a.png", "0 0.06 0.94 0.1 0.1\n0 0.05 0.93 0.1 0.1\n1 1 0 0.1 0.1\n")
    places = report(tmp_path).splits["train"].places
    assert (places[7][0], places[0][7], sum(map(sum, places))) == (2, 1, 3)


def test_polygons_count_as_their_bounding_boxes(tmp_path: Path) -> None:
    image(tmp_path, "train/a.png", "0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    assert report(tmp_path).splits["train"].sizes["medium"] == 1


def test_an_image_that_is_listed_twice_counts_once(tmp_path: Path) -> None:
    path = image(tmp_path, "train/a.png")
    (tmp_path / "train.txt").write_text(f"{path}\n{path}\n")
    facts = report(tmp_path, train="train.txt").splits["train"]
    assert (facts.listed, facts.images, facts.boxes) == (1, 1, 1)


def test_leaked_and_repeated_images_are_pairs(tmp_path: Path) -> None:
    first = image(tmp_path, "train/a.png", seed=1)
    again = image(tmp_path, "train/b.png", seed=1)
    leaked = image(tmp_path, "val/c.png", seed=1)
    image(tmp_path, "val/d.png", seed=2)
    leak, inside = report(tmp_path).copies
    assert (leak.between, leak.exact, leak.count, leak.of, leak.pairs) == (True, True, 1, 2, ((leaked, first),))
    assert (inside.between, inside.pairs) == (False, ((again, first),))


def test_broken_images_and_lines_are_listed(tmp_path: Path) -> None:
    for number in range(100):
        image(tmp_path, f"train/{number}.png", f"{GOOD}{GOOD}", seed=number, side=12)
    (tmp_path / "images/train/broken.png").write_bytes(b"no picture")
    image(tmp_path, "train/wrong.png", "7 0.5 0.5 0.2 0.2\n")
    found = report(tmp_path)
    broken = found.broken["train"]
    assert (broken.unreadable, broken.left_out, broken.repeated) == (1, 1, 100)
    assert broken.images == ((tmp_path / "images/train/broken.png", "is not a readable image"),)
    assert "class must be 0 to 1, but got 7" in broken.lines[0]
    assert (found.splits["train"].listed, found.splits["train"].images) == (102, 100)


def test_classes_with_few_boxes_and_with_none_are_gaps(tmp_path: Path) -> None:
    image(tmp_path, "train/a.png", "".join(f"0 0.{place} 0.5 0.01 0.1\n" for place in range(10, 30)))
    image(tmp_path, "val/b.png", GOOD)
    assert report(tmp_path).gaps == (Gap("train", "spot", 0), Gap("val", "hole", 1), Gap("val", "spot", 0))


def test_a_search_of_copies_among_some_images_is_a_note(tmp_path: Path) -> None:
    data = checked(tmp_path)
    evidence = data.evidence
    if evidence is None:
        raise ValueError("a checked data set must have evidence")
    partly = replace(data, evidence=replace(evidence, copies=replace(evidence.copies, compared=1)))
    found = collect(partly, imgsz=64)
    if found is None:
        raise ValueError("a checked data set must have a report")
    assert found.notes == ("near copies were searched among 1 of 2 images",)
    assert "  note: near copies were searched among 1 of 2 images" in list(found.lines())
    assert collect(replace(data, evidence=None), imgsz=64) is None


def test_the_record_is_json(tmp_path: Path) -> None:
    image(tmp_path, "train/a.png", f"{GOOD}1 0.5 0.5 0.2 0.2\n")
    found = json.loads(json.dumps(plain(report(tmp_path)), allow_nan=False))
    assert found["suspects"][0]["worst"][0]["name"] == "spot"
    assert found["splits"]["train"]["classes"]["hole"] == {"boxes": 1, "images": 1}
    assert found["grade"] in "ABCD"
