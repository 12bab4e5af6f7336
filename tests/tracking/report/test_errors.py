"""Errors of what ships in the page: threshold, confusion matrix, crops with boxes, and what is told without images."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl.storage.layout import DATA, EXPORT, ONNX_STATS
from automl.study.verdict import Verdict
from automl.tracking.diagnosis.shipped_model import ShippedModel
from automl.tracking.report import errors, working_point
from automl.tracking.report.language import Language, Words
from tests.pictures import encoded, noise
from tests.tracking.diagnosis.scenes import NAMES, Scene, scene, square
from tests.tracking.report.test_page import FACTS, page_of

EN = Words(Language.EN)


def faulty() -> Scene:
    """Return detections with one error of each kind, on image 0."""
    made = scene(false=0.0)
    first = next(one for one in made.truth if one[:2] == (0, 0))
    x, y = first[2][:2]
    made.found += [
        (0, 0, 0.97, square(0.9, 0.9)),  # background
        (1, 1, 0.96, next(one[2] for one in made.truth if one[:2] == (1, 0))),  # another class
        (0, 0, 0.30, square(x + 0.01, y)),  # again
        (2, 0, 0.94, square(next(one[2] for one in made.truth if one[:2] == (2, 0))[0] + 0.05, y)),
    ]
    made.truth += [(3, 1, square(0.9, 0.9)), (4, 1, square(0.9, 0.9)), (5, 1, square(0.9, 0.9))]
    made.found += [(4, 1, 0.1, square(0.9, 0.9)), (5, 0, 0.2, square(0.9, 0.9))]
    return made


def keep(folder: Path, made: Scene, *, images: bool = True) -> None:
    stats = made.stats()
    for name in stats.names if images else ():
        path = folder / DATA / "images" / "test" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(noise(1, side=100)))
    (folder / EXPORT).mkdir(exist_ok=True)
    stats.save(folder / EXPORT / ONNX_STATS)


def found(folder: Path, model: ShippedModel) -> errors.Errors:
    all_errors = errors.errors(folder, model, EN)
    assert all_errors is not None
    return all_errors


def test_each_error_is_shown_with_its_boxes_and_its_kind(tmp_path: Path) -> None:
    made = faulty()
    keep(tmp_path, made)
    shown = found(tmp_path, made.model())
    assert shown.away == 0
    assert [(one.title, str(one.text)) for one in shown.false][:2] == [
        ("hole 0.97", "no object there"),
        ("spot 0.96", "it is hole"),
    ]
    assert {str(kind): count for kind, count in shown.kinds}["a second box of a found object"] == 1
    assert sum(count for _, count in shown.kinds) == shown.false_count == 4
    assert {str(one.text) for one in shown.missed} == {
        "found at 0.10, below the threshold", "no box at any confidence",
        "found as another class, or its box belongs to a neighbour",
    }  # fmt: skip
    assert [one.boxes[-1][-1] for one in (*shown.false, *shown.missed)] == ["false"] * 4 + ["missed"] * 3
    assert all(one.uri.startswith("data:image/jpeg;base64,") for one in shown.false)


def test_the_number_and_the_bytes_of_the_crops_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = scene(conf=((0.05, 0.2), (0.05, 0.2)))
    keep(tmp_path, made)
    shown = found(tmp_path, made.model())
    assert (len(shown.missed), shown.missed_count) == (errors.SHOWN, 160)
    names = [one.name for one in shown.missed]
    assert max(names.count(name) for name in names) <= errors.EACH_IMAGE
    monkeypatch.setattr(errors, "MOST_BYTES", 3 * len(shown.missed[0].uri))
    assert len(found(tmp_path, made.model()).missed) in {3, 4}


def facts(**more: Any) -> dict[str, Any]:
    return FACTS | {"names": NAMES} | more


def test_the_page_has_matrix_threshold_and_crops(tmp_path: Path) -> None:
    made = faulty()
    keep(tmp_path, made)
    text, words = page_of(tmp_path, facts=facts())
    assert "4 false boxes and 3 missed objects" in words
    assert text.count('class="box false"') == 4
    assert text.count("data:image/jpeg;base64,") == 7
    assert "Boxes above 0.25 are served, the default of the server" in words
    assert "not found" in words
    row = next(line for line in text.splitlines() if line.startswith('<tr><th class="side">hole'))
    assert row
    assert re.search(r"hole 80 100% 0 0% 3", words)
    assert len(text) < 1_000_000


def test_images_that_are_away_are_told_in_place_of_their_crops(tmp_path: Path) -> None:
    keep(tmp_path, faulty(), images=False)
    text, words = page_of(tmp_path, facts=facts())
    assert "7 images with errors cannot be read now" in words
    assert "data:image" not in text
    assert "4 false boxes" in words


def test_detections_without_boxes_have_a_sweep_and_no_crops(tmp_path: Path) -> None:
    (tmp_path / EXPORT).mkdir()
    faulty().stats(boxed=False).save(tmp_path / EXPORT / ONNX_STATS)
    _, words = page_of(tmp_path, facts=facts())
    assert "The kept detections are without boxes, as an earlier version wrote them" in words
    assert "best threshold" in words
    assert "Confusion matrix" not in words


def test_a_healthy_model_has_no_errors(tmp_path: Path) -> None:
    made = scene(false=0.0)
    keep(tmp_path, made)
    shown = found(tmp_path, made.model())
    assert (shown.false, shown.missed, shown.false_count, shown.missed_count) == ((), (), 0, 0)
    assert "0 false boxes and 0 missed objects" in page_of(tmp_path, facts=facts())[1]


def test_the_matrix_shows_the_classes_with_the_most_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working_point, "MOST_CELLS", 1)
    made = scene()
    made.truth += [(0, 1, square(0.9, 0.9))]
    shown = working_point.confusion_of(made.model())
    assert shown is not None
    assert (shown.names, shown.classes) == (("spot",), 2)
    assert shown.cells[0][0][0] == 80
    assert shown.cells[0][0][1] == pytest.approx(80 / 81)


def test_classes_take_turns() -> None:
    ranked = errors.in_turn(np.array([4, 3, 2, 1, 0]), np.array([1, 1, 0, 0, 0]))
    assert ranked.tolist() == [4, 1, 3, 0, 2]


def test_a_model_that_finds_nothing_has_a_page(tmp_path: Path) -> None:
    keep(tmp_path, Scene(2, [], [(0, 0, square(0.1, 0.1))]))
    _, words = page_of(tmp_path, facts=facts(names={"0": "hole"}))
    assert "0 false boxes and 1 missed objects" in words
    assert Verdict.from_dict(facts()).split == "test"
