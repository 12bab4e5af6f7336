"""One person's way through the images: what is shown, saved, decided; and what a browser may not do."""

import json
from pathlib import Path

import pytest

from automl.apps.label_desk import LabelDesk, Show
from automl.data.labelling import proposals
from automl.data.labelling.proposals import Proposal, Proposed
from automl.data.labelling.store import ConflictError
from automl.data.labelling.suspects import Answer
from automl.data.labels import label_of
from automl.study.errors import DataError
from tests.builders import written
from tests.data.labelling.stores import KEY, again, store_in

BOX = {"cls": 1, "left": 0.1, "top": 0.1, "right": 0.3, "bottom": 0.5, "line": 0}


@pytest.fixture
def desk(tmp_path: Path) -> LabelDesk:
    held = LabelDesk(store_in(tmp_path), "Ada")
    held.show(Show.ALL)
    return held


def test_a_box_that_a_browser_sends_is_saved_and_taken_back(desk: LabelDesk, tmp_path: Path) -> None:
    view = desk.view()
    assert (view["key"], view["width"], view["height"], view["state"]) == (KEY, 24, 24, "labelled")
    assert view["src"].startswith("data:image/jpeg;base64,")
    assert view["changed"] == {}
    desk.save({"key": KEY, "version": view["version"], "boxes": [*view["boxes"], BOX]})
    assert desk.view(picture=False)["changed"]["by"] == "Ada"
    assert len(label_of(tmp_path / KEY).read_text().splitlines()) == 2
    with pytest.raises(ConflictError, match="Ada changed them"):
        desk.save({"key": KEY, "version": view["version"], "boxes": []})
    desk.undo()
    assert "src" not in desk.view(picture=False)
    assert desk.view(picture=False)["boxes"] == view["boxes"]
    desk.background(view["version"])
    assert desk.view(picture=False)["state"] == "background"


def test_the_desk_goes_through_what_is_chosen(desk: LabelDesk) -> None:
    assert (len(desk.keys), desk.step(1), desk.step(99), desk.at, desk.step(1)) == (5, True, True, 4, False)
    desk.show(Show.UNLABELLED)
    assert desk.keys == ["images/waiting/d.png", "images/waiting/e.png"]
    proposals.write(
        desk.store, "images/waiting/e.png", Proposed("m version 1", (Proposal("spot", 0.4, 0, 0, 0.5, 0.5),))
    )
    desk.show(Show.PROPOSED)
    assert desk.keys == ["images/waiting/e.png"]
    view = desk.view(picture=False)
    assert (view["proposer"], view["proposals"][0]["cls"]) == ("m version 1", 1)
    desk.save({"key": view["key"], "version": view["version"], "boxes": [BOX]})
    assert desk.store.history.changes[-1].why == "with proposals of m version 1"
    desk.show(Show.SUSPECTS)
    assert (desk.key, desk.view()["key"]) == ("", "")


def test_suspects_are_answered_one_by_one(desk: LabelDesk, tmp_path: Path) -> None:
    row = {"id": "x", "kind": "missed", "score": 0.9, "image": str(tmp_path / KEY), "cls": "hole",
           "box": [0.5, 0.5, 0.2, 0.4], "suggested_cls": None, "suggested_box": None}  # fmt: skip
    audit = written(tmp_path / "runs/a", "audit.json", json.dumps({"suspects": [row]}))
    desk.show(Show.SUSPECTS, audit=audit.parent)
    assert desk.view(picture=False)["suspect"]["kind"] == "missed"
    desk.answer(Answer.FIX)
    assert label_of(tmp_path / KEY).read_text() == ""
    desk.show(Show.SUSPECTS, audit=audit)
    assert desk.keys == []
    with pytest.raises(DataError, match="an answer must be on a suspect of an audit, but none is in view"):
        desk.answer(Answer.RIGHT)
    with pytest.raises(DataError, match=r"must be the list of `automl audit`, but .*; run automl audit STUDY"):
        desk.show(Show.SUSPECTS, audit=tmp_path / "absent.json")


@pytest.mark.parametrize(
    "given", [{}, {"key": KEY, "version": 1, "boxes": []}, {"key": "../../x", "version": "", "boxes": []},
              {"key": KEY, "version": "", "boxes": [{**BOX, "cls": 9}]}, {"key": KEY, "version": "", "boxes": {}}],
)  # fmt: skip
def test_what_is_no_change_is_refused(desk: LabelDesk, given: dict[str, object]) -> None:
    with pytest.raises(DataError, match="must"):
        desk.save(given)
    assert again(desk.store.source).history.changes == []
