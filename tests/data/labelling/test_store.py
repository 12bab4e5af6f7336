"""Labels are saved at once, by version, with a history from which each change can be taken back."""

import errno
from pathlib import Path

import pytest

from automl.data.labelling.boxes import LabelBox
from automl.data.labelling.history import Change, Kind
from automl.data.labelling.store import NONE, ConflictError, LabelStore, State
from automl.data.labels import label_of
from automl.storage import files
from automl.study.errors import DataError
from tests.data.labelling.stores import KEY, LINE, again, store_in

BOX = LabelBox(1, 0.1, 0.1, 0.3, 0.5)


def test_states_tell_what_waits_from_what_is_background(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    states = {key.rpartition("/")[2]: store.read(key).state for key in store.images}
    assert states == {"a.png": State.LABELLED, "b.png": State.BACKGROUND, "c.png": State.LABELLED,
                      "d.png": State.UNLABELLED, "e.png": State.UNLABELLED}  # fmt: skip
    assert store.read("images/waiting/d.png").version == NONE


def test_a_save_is_in_the_label_file_and_in_the_history(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    before = store.read(KEY)
    after = store.save(KEY, [*before.boxes, BOX], version=before.version, by="Ada", why="drawn")
    assert label_of(tmp_path / KEY).read_text() == LINE + "1 0.200000 0.300000 0.200000 0.400000\n"
    assert [box.cls for box in after.boxes] == [0, 1]
    (change,) = _changes(again(store.source))
    assert (change.by, change.image, change.kind, change.before) == ("Ada", KEY, Kind.EDIT, LINE)
    assert store.save(KEY, after.boxes, version=after.version, by="Ada") == after  # nothing changed: no line
    assert len(_changes(store)) == 1


def test_two_people_do_not_overwrite_each_other(tmp_path: Path) -> None:
    first, second = store_in(tmp_path), again(tmp_path / "data.yaml")
    seen = first.read(KEY).version
    first.save(KEY, [], version=seen, by="Ada")
    with pytest.raises(ConflictError, match=r"a\.png: labels must be those .* Ada changed them at .*: 0 boxes now"):
        second.save(KEY, [BOX], version=seen, by="Bob")
    label_of(tmp_path / KEY).write_text(LINE)
    with pytest.raises(ConflictError, match="another program changed the file: 1 boxes now") as caught:
        second.save(KEY, [BOX], version=first.history.changes[-1].after or "", by="Bob")
    second.save(KEY, [BOX], version=caught.value.now.version, by="Bob")
    assert [change.kind for change in _changes(first)] == [Kind.EDIT, Kind.OUTSIDE, Kind.EDIT]


def test_changes_are_taken_back_one_by_one(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    waiting = "images/waiting/d.png"
    for boxes in ([BOX], []):
        store.save(waiting, boxes, version=store.read(waiting).version, by="Ada")
    assert len(store.undo(waiting, by="Bob").boxes) == 1
    assert store.undo(waiting, by="Bob").state is State.UNLABELLED
    with pytest.raises(DataError, match="must have a change to take back, but has none"):
        store.undo(waiting, by="Bob")
    store.save(waiting, [BOX], version=NONE, by="Ada")
    label_of(tmp_path / waiting).write_text(LINE)
    with pytest.raises(ConflictError, match="another program changed the file"):
        store.undo(waiting, by="Ada")


def test_without_its_line_in_the_history_a_change_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(tmp_path)

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "append", full)
    with pytest.raises(OSError, match="No space left"):
        store.save(KEY, [BOX], version=store.read(KEY).version, by="Ada")
    assert label_of(tmp_path / KEY).read_text() == LINE


def test_a_changed_line_of_the_history_is_found_and_a_cut_one_is_left_out(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for boxes in ([], [BOX]):
        store.save(KEY, boxes, version=store.read(KEY).version, by="Ada")
    path = store.history.path
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"at": "20')
    cut = again(store.source)
    cut.save(KEY, [], version=cut.read(KEY).version, by="Bob")
    assert [change.by for change in _changes(again(store.source))] == ["Ada", "Ada", "Bob"]
    path.write_bytes(whole.replace(b"Ada", b"Eve", 1))
    with pytest.raises(
        DataError, match=r"history\.jsonl:1: must be a line of the history with its seal, but the line is damaged"
    ):
        again(store.source).undo(KEY, by="Ada")


def test_a_link_that_leads_outside_is_not_read(tmp_path: Path) -> None:
    store = store_in(tmp_path / "set")
    (tmp_path / "secret").write_text("password")
    label = label_of(tmp_path / "set" / KEY)
    label.unlink()
    label.symlink_to(tmp_path / "secret")
    with pytest.raises(DataError, match="is a symlink to a file outside the data set"):
        store.read(KEY)


def test_a_key_that_is_no_image_of_the_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'\.\./\.\./etc/passwd': must be an image of .*data\.yaml, but is none"):
        store_in(tmp_path).read("../../etc/passwd")


def _changes(store: LabelStore) -> list[Change]:
    store.history.refresh()
    return store.history.changes
