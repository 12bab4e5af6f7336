"""Labelled images that waited get a split; near copies of known images join those."""

import shutil
from pathlib import Path

from automl.data.importing.splits import Plan
from automl.data.labelling import proposals
from automl.data.labelling.boxes import LabelBox
from automl.data.labelling.proposals import Proposal, Proposed
from automl.data.labelling.settling import settle
from automl.data.labelling.store import NONE
from automl.data.labels import label_of
from tests.data.labelling.stores import LINE, again, store_in

BOX = LabelBox(0, 0.4, 0.3, 0.6, 0.7)


def test_labelled_images_get_a_split_and_the_others_wait(tmp_path: Path) -> None:
    store_in(tmp_path)
    shutil.copy(tmp_path / "images/val/c.png", tmp_path / "images/waiting/copy.png")
    store = again(tmp_path / "data.yaml")
    for name in ("d", "copy"):
        store.save(f"images/waiting/{name}.png", [BOX], version=NONE, by="Ada")
    found = settle(store, plan=Plan((90, 10, 0)), by="Ada")
    assert (found.images, found.waiting) == ({"train": 1, "val": 1, "test": 0}, 1)
    assert label_of(tmp_path / "images/train/d.png").read_text() == LINE
    assert (tmp_path / "images/val/copy.png").is_file()
    assert not label_of(tmp_path / "images/waiting/d.png").exists()
    assert list(again(store.source).images) == list(
        {key: None for split in ("train", "val", "waiting") for key in sorted(store.images) if f"/{split}/" in key}
    )


def test_a_split_that_is_new_is_named(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for name in ("d", "e"):
        store.save(f"images/waiting/{name}.png", [BOX], version=NONE, by="Ada")
    settle(store, plan=Plan((1, 1, 98)), by="Ada")
    assert (tmp_path / "data.yaml").read_text().endswith("names: [hole, spot]\ntest: images/test\n")


def test_proposals_that_a_label_covers_are_not_shown(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    boxes = tuple(Proposal(name, 0.9, 0.4, 0.3, 0.6, 0.69) for name in ("hole", "spot", "other"))
    proposals.write(store, "images/train/a.png", Proposed("m version 1", boxes))
    kept = proposals.read(again(store.source), "images/train/a.png")
    assert kept == Proposed("m version 1", boxes)
    labels = store.read("images/train/a.png").boxes
    assert [one.name for one in proposals.open_for(kept, labels, store.names)] == ["spot"]
    proposals.discard(store, "images/train/a.png")
    assert proposals.read(store, "images/train/a.png") is None
