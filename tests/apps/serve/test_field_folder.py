"""Pictures from the field are sampled by a rule and kept in a bounded folder; what people marked is never deleted."""

import json
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from automl.apps.serve.field_folder import HOUR, MOST_AN_HOUR, FieldFolder, Why
from automl.apps.serve.refusal import RequestError


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_unsure_pictures_are_kept_up_to_a_rate_and_others_at_random(tmp_path: Path) -> None:
    clock, drawn = Clock(), iter([0.9, 0.001])
    field = FieldFolder(tmp_path, clock=clock, draw=lambda: next(drawn))
    assert [field.wanted(0.1), field.wanted(0.1)] == [None, Why.RANDOM]
    assert [field.wanted(0.8) for _ in range(MOST_AN_HOUR + 1)] == [*[Why.UNSURE] * MOST_AN_HOUR, None]
    clock.now = HOUR
    assert field.wanted(0.8) is Why.UNSURE


def test_the_oldest_unmarked_pictures_make_room(tmp_path: Path) -> None:
    field = FieldFolder(tmp_path, most_bytes=1000)
    marked = field.keep(b"m" * 200, "PNG", Why.FEEDBACK, {"verdict": "wrong"})
    first, second = (field.keep(letter * 250, "JPEG", Why.UNSURE, {}) for letter in (b"a", b"b"))
    again = FieldFolder(tmp_path, most_bytes=1000)
    third = again.keep(b"c" * 250, "JPEG", Why.RANDOM, {})
    left = {path.stem for path in tmp_path.glob("*.json")}
    assert left == {marked, third} | ({second} if first not in left else {first})
    assert json.loads((tmp_path / f"{marked}.json").read_text())["verdict"] == "wrong"
    with pytest.raises(RequestError, match="the field folder holds at most 1000 bytes; collect it: automl field"):
        again.keep(b"d" * 900, "PNG", Why.FEEDBACK, {})


def test_a_picture_is_kept_once(tmp_path: Path) -> None:
    field = FieldFolder(tmp_path)
    name = field.keep(b"a", "PNG", Why.UNSURE, {})
    assert field.keep(b"a", "PNG", Why.FEEDBACK, {"verdict": "right"}) == name
    assert field.keep(b"a", "PNG", Why.RANDOM, {}) == name
    assert json.loads((tmp_path / f"{name}.json").read_text())["why"] == Why.FEEDBACK


def test_two_requests_make_room_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    field = FieldFolder(tmp_path, most_bytes=1000)
    for letter in (b"a", b"b"):
        field.keep(letter * 350, "PNG", Why.UNSURE, {})
    unlink, second = Path.unlink, list[Future[str]]()

    with ThreadPoolExecutor(2) as pool:

        def slow(path: Path, *, missing_ok: bool = False) -> None:
            """Delete a file; meanwhile another request comes, which may end first."""
            if not second:
                second.append(pool.submit(field.keep, b"d" * 350, "PNG", Why.FEEDBACK, {"verdict": "wrong"}))
                wait(second, timeout=0.5)
            unlink(path, missing_ok=missing_ok)

        monkeypatch.setattr(Path, "unlink", slow)
        first = pool.submit(field.keep, b"c" * 350, "PNG", Why.FEEDBACK, {"verdict": "wrong"})
        kept = {first.result(60), second[0].result(60)}
    assert {path.stem for path in tmp_path.glob("*.json")} == {path.stem for path in tmp_path.glob("*.png")} == kept
