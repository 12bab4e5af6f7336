"""The benchmark of the label audit: what is planted, what counts as found."""

import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from automl.data import sample
from automl.data.audit.records import Kind, Suspect
from automl.data.labels import label_lines
from benchmarks import label_audit
from benchmarks.label_planting import ADDED, DROPPED, KINDS, MOVED, SWAPPED, Box, Planted, moved, overlap, plant

HERE: Box = (0.4, 0.4, 0.2, 0.2)
THERE: Box = (0.45, 0.45, 0.2, 0.2)


def suspect(box: Box | None, seen: Box | None, *, name: str = "a.jpg", kind: Kind = Kind.LOOSE_BOX) -> Suspect:
    image = Path("/d/images/val") / name
    return Suspect("x", kind, 0.5, "val", image, image, None, None, box, None, seen, (), 1)


def test_planted_errors_are_in_the_copy_and_nowhere_else(tmp_path: Path) -> None:
    source = sample.draw(tmp_path / "source", splits={"train": 24, "val": 12}).parent
    before = {path: path.read_bytes() for path in sorted(source.rglob("*.txt"))}
    found = plant(source, tmp_path / "copy", share=0.2, seed=1, splits=("train", "val"))
    assert {path: path.read_bytes() for path in sorted(source.rglob("*.txt"))} == before
    assert set(Counter(one.kind for one in found)) == set(KINDS)
    for one in found:
        image = tmp_path / "copy" / "images" / one.split / one.image
        boxes = [line.box[1:] for line in label_lines(image, 3)]
        written = one.written is not None and any(overlap(box, one.written) > 0.99 for box in boxes)  # type: ignore[arg-type]
        assert written == (one.kind != DROPPED)
    again = plant(source, tmp_path / "again", share=0.2, seed=1, splits=("train", "val"))
    assert again == found
    shutil.rmtree(tmp_path / "again")
    assert plant(source, tmp_path / "again", share=0.2, seed=2, splits=("train", "val")) != found


def test_a_moved_box_still_overlaps_its_place() -> None:
    for seed in range(50):
        assert 0.2 < overlap(HERE, moved(HERE, random.Random(seed))) < 0.65


@pytest.mark.parametrize(
    ("planted", "found", "right"),
    [
        (Planted(MOVED, "val", "a.jpg", THERE, HERE), suspect(THERE, HERE), True),
        (Planted(MOVED, "val", "a.jpg", THERE, HERE), suspect(None, HERE, kind=Kind.EXTRA), True),
        (Planted(SWAPPED, "val", "a.jpg", HERE, HERE), suspect(HERE, None, kind=Kind.WRONG_CLASS), True),
        (Planted(DROPPED, "val", "a.jpg", None, HERE), suspect(None, HERE, kind=Kind.EXTRA), True),
        (Planted(ADDED, "val", "a.jpg", HERE, None), suspect(HERE, None, kind=Kind.MISSED), True),
        (Planted(ADDED, "val", "a.jpg", HERE, None), suspect(THERE, HERE), False),
        (Planted(DROPPED, "val", "a.jpg", None, HERE), suspect(THERE, HERE), False),
        (Planted(DROPPED, "val", "a.jpg", None, HERE), suspect(None, HERE, name="b.jpg"), False),
    ],
)
def test_a_suspect_is_right_where_it_names_the_label_or_the_place(
    planted: Planted, found: Suspect, *, right: bool
) -> None:
    assert label_audit.names_place(found, planted) == right


def test_a_planted_error_counts_once_and_the_list_is_as_long_as_errors_were_planted() -> None:
    planted = [Planted(SWAPPED, "val", f"{name}.jpg", HERE, HERE) for name in "abcd"]
    listed = [suspect(HERE, None, name=f"{name}.jpg") for name in ("a", "a", "b", "x", "c", "d")]
    found = label_audit.judged(listed, planted)
    assert (found["planted"], found["precision_first_half"], found["recall"]) == (4, 0.5, 0.5)


def test_data_on_which_thresholds_were_chosen_are_counted_only_where_alone() -> None:
    row = {"planted": 10, "precision_first_half": 0.8, "recall": 0.6, "thresholds_chosen_here": True}
    other = {"planted": 20, "precision_first_half": 0.9, "recall": 0.7, "thresholds_chosen_here": False}
    assert label_audit.totals([row]) == {"planted": 10, "precision_first_half": 0.8, "recall": 0.6}
    assert label_audit.totals([row, other]) == {"planted": 20, "precision_first_half": 0.9, "recall": 0.7}
