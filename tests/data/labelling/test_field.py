"""Pictures from the field: near copies of known ones are left out, new ones wait, notes become proposals."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from automl.data.labelling import proposals
from automl.data.labelling.field import PERSON, collect
from automl.data.labelling.proposals import Proposal
from automl.study.errors import DataError
from tests.builders import written
from tests.data.labelling.stores import again, store_in
from tests.pictures import picture


def test_new_pictures_wait_with_the_boxes_of_their_notes(tmp_path: Path) -> None:
    store, field = store_in(tmp_path / "set"), tmp_path / "field"
    first, second = (picture(field / f"{name}.png") for name in ("first", "second"))
    boxes = [{"name": "hole", "confidence": 0.3, "box": [6, 0, 12, 24]}]
    written(field, "first.json", json.dumps({"why": "unsure", "model": "m", "version": 2, "boxes": boxes}))
    written(field, "second.json", json.dumps({"given": [{"name": "spot", "box": [0, 0, 12, 12]}], "boxes": boxes}))
    found = collect(store, [field])
    assert (len(found.new), found.known, found.unreadable) == (2, 0, ())
    reopened = again(store.source)
    kept = {reopened.images[key].read_bytes(): proposals.read(reopened, key) for key in found.new}
    expected = (Proposal("hole", 0.3, 0.25, 0.0, 0.5, 1.0),)
    assert (kept[first.read_bytes()].model, kept[first.read_bytes()].boxes) == ("m version 2", expected)  # type: ignore[union-attr]
    assert kept[second.read_bytes()].model == PERSON  # type: ignore[union-attr]
    assert collect(reopened, [field]).new == ()  # the second time all are known


def test_copies_are_left_out_and_those_marked_as_wrong_are_named(tmp_path: Path) -> None:
    store, field = store_in(tmp_path / "set"), tmp_path / "field"
    field.mkdir()
    known = tmp_path / "set/images/train/a.png"
    shutil.copy(known, field / "copy.png")
    written(field, "copy.json", '{"why": "feedback", "verdict": "wrong"}')
    with Image.open(tmp_path / "set/images/val/c.png") as image:
        image.save(field / "near.jpg", quality=97)
    picture(field / "one.png", seed=5)
    picture(field / "same.png", seed=5)
    written(field, "broken.jpg", "no image")
    found = collect(store, [field])
    assert (len(found.new), found.known) == (1, 3)
    assert found.marked == (f"{field / 'copy.png'} = {known}",)
    assert found.unreadable == (f"{field / 'broken.jpg'}: is not a readable image",)


@pytest.mark.parametrize("note", ["no JSON", "[]", '{"boxes": [{"name": "hole"}]}', '{"given": 3}'])
def test_a_damaged_note_costs_its_boxes_alone(tmp_path: Path, note: str) -> None:
    store = store_in(tmp_path / "set")
    picture(tmp_path / "field/a.png")
    written(tmp_path / "field", "a.json", note)
    (key,) = collect(store, [tmp_path / "field"]).new
    assert proposals.read(store, key) is None


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be a folder with pictures from the field, but is none"):
        collect(store_in(tmp_path / "set"), [tmp_path / "absent"])
