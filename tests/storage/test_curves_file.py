"""Curves of a training: damage of any kind is one message, and files of earlier versions stay readable."""

import random
from pathlib import Path

import pytest

from automl.storage import curves_file
from automl.storage.layout import CURVES
from automl.storage.records import RecordError
from automl.study import Measurement
from tests.builders import METRIC, written

KNOWN = (
    Measurement(1, {METRIC: 0.1, "val/loss": 2.0}, 1.5),
    Measurement(2, {"val/loss": 1.0}, 1.25),
    Measurement(3, {METRIC: 0.41530000000000006, "val/loss": 0.5}, 1.0, changed="batch halved, to 4"),
)


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    curves_file.write_curves(tmp_path, KNOWN)
    return (tmp_path / CURVES).read_bytes()


def test_curves_are_read_as_they_were_written_with_the_checksum_in_the_last_column(
    tmp_path: Path, whole: bytes
) -> None:
    assert curves_file.read_curves(tmp_path) == KNOWN
    head, *rows = whole.decode().splitlines()
    assert head == f"epoch,seconds,{METRIC},val/loss,changed,crc32"
    assert len({row.rpartition(",")[2] for row in rows}) == 1


def test_a_single_bit_flip_anywhere_is_refused(tmp_path: Path, whole: bytes) -> None:
    read, told = [], set()
    for place in random.Random(0).sample(range(len(whole) * 8), 400):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        (tmp_path / CURVES).write_bytes(flipped)
        try:
            read.append(curves_file.read_curves(tmp_path))
        except RecordError as error:
            told.add(str(error).partition(", but ")[0])
    assert (read, told) == ([], {f"{tmp_path / CURVES}: must be the curves of a training"})


@pytest.mark.parametrize("seed", range(3))
def test_a_cut_or_zeros_at_any_place_are_refused(tmp_path: Path, whole: bytes, seed: int) -> None:
    chance = random.Random(seed)
    for place in (0, *chance.sample(range(len(whole)), 40)):
        for content in (whole[:place], whole[:place] + bytes(len(whole) - place), bytes(place) + whole[place:]):
            if content != whole:
                (tmp_path / CURVES).write_bytes(content)
                with pytest.raises(RecordError, match="must be the curves of a training"):
                    curves_file.read_curves(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"epoch,seconds\n",
        b"\xff\xfe",
        b"epoch\n1\n",
        b"epoch,seconds,a\n1,2.0\n",
        b"epoch,seconds,a,a\n1,2.0,3,4\n",
        b"epoch,seconds,a\n1,2.0,many\n",
        b"epoch,seconds,a\n1,2.0,nan\n",
        b"epoch,seconds,a\n1,2.0,1e400\n",
        b"epoch,seconds,a\n0,2.0,1\n",
        b"epoch,seconds,a\n2,2.0,1\n1,2.0,1\n",
        b"epoch,seconds,a\n" + b"9" * 5000 + b",2.0,1\n",
        b"epoch,seconds,a\n1,2.0," + b"1" * 200_000 + b"\n",
        b'epoch,seconds,a\n1,2.0,"1\n',
        bytes(100),
    ],
)
def test_what_are_no_curves_is_one_message(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CURVES).write_bytes(content)
    with pytest.raises(RecordError, match=r"curves.csv: must be the curves of a training, but .*; a resumed") as caught:
        curves_file.read_curves(tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_curves_without_a_checksum_are_of_an_earlier_version(tmp_path: Path) -> None:
    written(tmp_path, CURVES, f"epoch,seconds,{METRIC}\r\n1,2.5,0.25\r\n2,2.5,\r\n")
    assert curves_file.read_curves(tmp_path) == (Measurement(1, {METRIC: 0.25}, 2.5), Measurement(2, {}, 2.5))


def test_a_training_that_has_no_epoch_yet_has_no_curves(tmp_path: Path) -> None:
    assert curves_file.read_curves(tmp_path) == ()
