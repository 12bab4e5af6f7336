"""A suspect label is answered right, wrong or fix; the answer and the change are in the history."""

from pathlib import Path
from typing import Any

import pytest

from automl.data.labelling.suspects import Answer, respond, work_list
from automl.data.labels import label_of
from automl.study.errors import DataError
from tests.data.labelling.stores import KEY, LINE, again, store_in

MOVED = "0 0.400000 0.400000 0.200000 0.200000\n"
ADDED = "1 0.400000 0.400000 0.200000 0.200000\n"


def row(tmp_path: Path, kind: str) -> dict[str, Any]:
    extra = kind == "extra"
    return {
        "id": kind, "kind": kind, "score": 0.9, "image": str(tmp_path / KEY), "cls": None if extra else "hole",
        "box": None if extra else [0.5, 0.5, 0.2, 0.4],
        "suggested_cls": {"missed": None, "loose box": "hole"}.get(kind, "spot"),
        "suggested_box": [0.4, 0.4, 0.2, 0.2] if kind in {"extra", "loose box"} else None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "answer", "text"),
    [
        ("missed", Answer.RIGHT, LINE),
        ("missed", Answer.FIX, ""),
        ("wrong class", Answer.FIX, LINE.replace("0 ", "1 ", 1)),
        ("wrong class", Answer.WRONG, ""),
        ("loose box", Answer.FIX, MOVED),
        ("extra", Answer.FIX, LINE + ADDED),
    ],
)
def test_an_answer_changes_the_label(tmp_path: Path, kind: str, answer: Answer, text: str) -> None:
    store = store_in(tmp_path)
    (suspect,) = work_list(store, [row(tmp_path, kind), row(tmp_path, kind) | {"image": "/elsewhere/a.png"}])
    respond(store, suspect, answer, version=store.read(KEY).version, by="Ada")
    assert label_of(tmp_path / KEY).read_text() == text
    (after,) = work_list(again(store.source), [row(tmp_path, kind)])
    assert (after.answer, after.by) == (answer, "Ada")


def test_what_cannot_be_done_is_refused(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    (extra,) = work_list(store, [row(tmp_path, "extra")])
    with pytest.raises(DataError, match="the audit saw a missing label, so none can be deleted; answer right or fix"):
        respond(store, extra, Answer.WRONG, version=store.read(KEY).version, by="Ada")
    (loose,) = work_list(store, [row(tmp_path, "loose box") | {"box": [0.1, 0.1, 0.1, 0.1]}])
    with pytest.raises(DataError, match="the label must be the one that the audit saw, but it was changed"):
        respond(store, loose, Answer.FIX, version=store.read(KEY).version, by="Ada")
    with pytest.raises(DataError, match=r"audit\.json: must be the list of `automl audit`"):
        work_list(store, [{"image": str(tmp_path / KEY)}])
