"""Every reader of the storage answers any bytes with a value or with one AutomlError that names the file."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from automl.storage import curves_file, job_file, records
from automl.storage.detections import ImageStats
from automl.storage.journal import Journal
from automl.storage.layout import ATTEMPT, CURVES, JOURNAL, JUDGED, PARAMS, SPEC
from automl.storage.place import read_spec
from automl.storage.records import RecordError
from automl.study.errors import AutomlError
from automl.study.load import dump
from automl.trials import heartbeat, lease
from benchmarks.attacks.journals import targets_in
from tests.builders import METRIC, spec_of

READERS: dict[str, Callable[[Path], object]] = {
    JOURNAL: lambda folder: [
        (journal := Journal.read(folder, metric=METRIC)).trials(), journal.notes(), journal.retraining_losses("a"),
    ],
    CURVES: curves_file.read_curves,
    PARAMS: job_file.read,
    ATTEMPT: lease.latest,
    SPEC: read_spec,
    JUDGED: lambda folder: ImageStats.load(folder / JUDGED),
    heartbeat.BEAT: heartbeat.read,
    "record.json": lambda folder: records.read_json(folder / "record.json", kind="a record", remedy="restore it"),
}  # fmt: skip


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return undamaged files to mutate; of those without one, some JSON."""
    folder = tmp_path_factory.mktemp("samples") / "whole"
    found = {target.name: target.whole for target in targets_in(folder)}
    return found | {SPEC: dump(spec_of()).encode(), "record.json": records.sealed({"a": [1, {"b": None}]}).encode()}


def value(chance: random.Random, depth: int = 0) -> Any:
    """Draw a JSON value: odd numbers, texts, lists and mappings."""
    plain = [None, True, -1, 0, 10**400, 1e308, "", "x", "\udcff", "attempt", "2026-11-28T10:00:00+00:00"]
    kinds = [*plain, "list", "dict"] if depth < 4 else plain
    drawn = chance.choice(kinds)
    if drawn == "list":
        return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if drawn == "dict":
        keys = ["op_code", "trial_id", "study_id", "worker_id", "user_attr", "attempt", "node", "at", "since", "name"]
        return {key: value(chance, depth + 1) for key in chance.sample(keys, chance.randrange(5))}
    return drawn


def content(chance: random.Random, sample: bytes) -> bytes:
    """Draw the bytes of a file: at random, JSON, nested too deep, or a mutated file."""
    kind = chance.randrange(5)
    if kind == 0:
        return chance.randbytes(chance.randrange(200))
    if kind == 1:
        return json.dumps(value(chance)).encode() * chance.choice([1, 1, 2])
    if kind == 2:
        return chance.choice([b"[", b'{"a":', b"- ", b"{"]) * 1_100
    mutated = bytearray(sample or json.dumps(value(chance)).encode())
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(mutated) + 1)
        mutated[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    return bytes(mutated)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_any_bytes_are_read_or_refused_in_one_message(tmp_path: Path, samples: dict[str, bytes], name: str) -> None:
    chance = random.Random(name)
    told: list[str] = []
    for _ in range(25):
        (tmp_path / name).write_bytes(content(chance, samples.get(name, b"")))
        try:
            READERS[name](tmp_path)
        except AutomlError as error:
            told.append(str(error))
    assert [text for text in told if name not in text] == []
    assert told or name == heartbeat.BEAT


def test_a_record_is_read_as_it_was_written_and_without_a_checksum_as_well(tmp_path: Path) -> None:
    path, plain = tmp_path / "record.json", {"attempt": 1, "x": [0.1, "ü", None]}
    records.write_json(path, plain)
    assert json.loads(path.read_text()).keys() == {*plain, "crc32"}
    assert records.read_json(path, kind="a record", remedy="restore it") == plain
    path.write_text(json.dumps(plain))
    assert records.read_json(path, kind="a record", remedy="restore it") == plain


def test_every_single_bit_flip_of_a_record_is_refused_or_seen_as_another_key(tmp_path: Path) -> None:
    path, plain = tmp_path / "record.json", {"attempt": 12}
    records.write_json(path, plain)
    whole = path.read_bytes()
    for place in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            found = records.read_json(path, kind="a record", remedy="restore it")
        except RecordError:
            continue
        assert found.keys() != plain.keys()  # the checksum's own name: an unknown key, which every parser refuses


def test_what_is_set_aside_replaces_nothing(tmp_path: Path) -> None:
    names = []
    for text in ("a", "b", "c"):
        (tmp_path / "record.json").write_text(text)
        names.append(records.set_aside(tmp_path / "record.json").name)
    assert names == ["record.json.damaged", "record.json.damaged.2", "record.json.damaged.3"]
    assert [(tmp_path / name).read_text() for name in names] == ["a", "b", "c"]
