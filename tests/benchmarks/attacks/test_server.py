"""The attack on the server in a short, seeded form: nothing is uncaught, memory stays below twice that at rest."""

import io
import random
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.attacks import pictures, server

KINDS = pictures.kinds()


def test_mutations_are_seeded_and_change_what_they_are_given() -> None:
    originals = list(KINDS.values())
    first, again = ([pictures.mutated(one, random.Random(7), originals) for one in originals] for _ in range(2))
    assert first == again
    assert sum(one != other for one, other in zip(first, originals, strict=True)) > 40


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_an_image(name: str) -> None:
    with Image.open(io.BytesIO(KINDS[name])) as picture:
        assert sorted(picture.size) == sorted(pictures.SIZE)


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [
        (200, b'{"boxes": []}', "held"),
        (200, b"{}", "code 200, no JSON"),
        (400, b'{"detail": "must be"}', "held"),
        (400, b'{"detail": "must\\nbe"}', "code 400"),
        (500, b'{"detail": "must be"}', "code 500"),
        (500, b"Internal Server Error", "code 500, no JSON"),
    ],
)
def test_an_answer_is_boxes_or_one_sentence(status: int, body: bytes, result: str) -> None:
    assert server.judged(status, body) == result


@pytest.mark.slow
def test_a_server_holds_what_strangers_send(tmp_path: Path) -> None:
    found = server.run(tmp_path, tried=400, seed=4, seconds=900)
    assert found["tried"] >= 400
    assert (found["held"], found["uncaught"]) == (found["tried"], 0)
    assert found["peak_ratio"] <= 2
