"""Identity of a data set: names and content count; place, order and time do not. Differences are told by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from automl.data.identity import EXCLUDED, Entry, Identity, changes, sealed, unsealed
from tests.data.test_check import check, drawn

ENTRIES = tuple(Entry(f"{name}.jpg", f"i{name}", f"l{name}") for name in "abc")
BEFORE = Identity({0: "hole", 1: "spot"}, 0, {"train": ENTRIES})


def after(*entries: Entry) -> Identity:
    return replace(BEFORE, entries={"train": entries})


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (BEFORE, []),
        (after(*reversed(ENTRIES)), []),
        (replace(BEFORE, names={0: "dent", 1: "spot"}), ["names: class 0 was 'hole' and is 'dent'"]),
        (replace(BEFORE, names={0: "hole"}), ["names: class 1 was 'spot' and is absent"]),
        (replace(BEFORE, keypoints=4), ["kpt_shape: 0 keypoint numbers a line became 4"]),
        (after(*ENTRIES[1:]), ["train: 1 images are gone: a.jpg"]),
        (after(*ENTRIES, Entry("d.jpg", "d", "")), ["train: 1 images are new: d.jpg"]),
        (after(*ENTRIES, ENTRIES[0]), ["train: 1 images are new: a.jpg"]),
        (after(replace(ENTRIES[0], image="x"), *ENTRIES[1:]), ["train: 1 images have other content: a.jpg"]),
        (after(replace(ENTRIES[0], labels="x"), *ENTRIES[1:]), ["train: 1 label files changed: a.jpg"]),
        (after(replace(ENTRIES[0], image=f"{EXCLUDED}ia"), *ENTRIES[1:]), ["train: 1 images are excluded now: a.jpg"]),
    ],
)  # fmt: skip
def test_a_change_is_told_by_name_and_changes_the_fingerprint(now: Identity, told: list[str]) -> None:
    assert [*changes(BEFORE, now)] == told
    assert (now.fingerprint == BEFORE.fingerprint) == (not told)


def test_of_many_names_some_are_shown() -> None:
    many = after(*(Entry(f"{number}.jpg", "", "") for number in range(10)))
    assert [*changes(many, after())] == ["train: 10 images are gone: 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg and 5 more"]


def test_a_record_is_read_back_and_a_damaged_one_is_not() -> None:
    odd = replace(BEFORE, names={0: 'a"\n: é'}, entries={"train": (Entry("b\udcff\n.jpg", "", ""),)})
    content = sealed(odd).encode()
    found = unsealed(content)
    assert found is not None
    assert found.fingerprint == odd.fingerprint
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1
        assert unsealed(bytes(flipped)) is None
        assert unsealed(content[:place]) is None


def test_place_and_time_of_a_data_set_do_not_matter(tmp_path: Path) -> None:
    root = tmp_path / "one"
    drawn(root)
    drawn(root, split="val")
    before = check(root)
    other = root.rename(tmp_path / "two")
    for path in other.rglob("*.*"):
        path.touch()
    assert check(other).fingerprint == before.fingerprint
    assert check(other, names=["spot", "hole"]).fingerprint != before.fingerprint
