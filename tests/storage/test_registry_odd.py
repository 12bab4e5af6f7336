"""Any odd content in the files of a registry is one message: never a traceback, never a wrong answer."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import automl
from automl.storage import move_log, registry_check, sealed_json
from automl.storage.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry
from automl.study.errors import AutomlError
from tests.registries import filled


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a storage with a registry that the tests copy."""
    folder = tmp_path_factory.mktemp("template")
    filled(folder)
    return folder


@pytest.fixture
def registry(template: Path, tmp_path: Path) -> Registry:
    shutil.copytree(template / "models", tmp_path / "models")
    return Registry(tmp_path / "models", "boards")


ODD = [
    b"", b"{", b"[]", b"null", b"3", b"\xff\xfe", b"\x00" * 40, b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5_000,
    b'{"champion": %s}' % (b"9" * 5_000), b'{"champion": 99999999999}', b'{"champion": -1}', b'{"champion": NaN}',
    b'{"stage": 1}', b'{"crc": []}', b'{"champion": 1, "crc": 3}', b'{"name": 3, "version": 1, "files": {}}',
    b'{"name": "x", "version": 2, "files": {"../x": "0"}}', b'{"name": "x", "version": 2, "files": {"x": 3}}',
    b'{"at": 1, "by": 2, "moves": 3, "why": 4}', b'{"at": "", "by": "", "moves": {"champion": "1"}, "why": ""}',
    b'{"at": "", "by": "", "moves": {}, "why": ""}',
    b'{"at": "", "by": "\\ud800", "moves": {}, "why": ""}',
    b'{"at": "", "by": "", "moves": {"champion": 1}, "why": "", "kind": "x"}', b'{"moves": [1]}', b'["moves"]',
    b'{"at": "", "by": "", "moves": {"champion": 1}, "why": "", "kind": ["x"]}',
]  # fmt: skip
FILES = ("aliases.json", "history.jsonl", "versions/0002/manifest.json")


def asked(registry: Registry, *, told: str) -> None:
    """Let every verb meet a damaged file: each answers or raises one message."""
    ours = automl.Registry(registry.folder)
    messages = []
    for ask in (
        ours.verify, ours.history, lambda: ours.path("champion"), lambda: registry.verify(2),
        lambda: ours.promote(2, why="x"), lambda: ours.rollback(why="x"),
    ):  # fmt: skip
        try:
            ask()
        except AutomlError as error:
            messages.append(str(error))
    assert any(told in message for message in messages)


@pytest.mark.parametrize("name", FILES)
def test_any_odd_content_is_one_message(registry: Registry, name: str) -> None:
    path = registry.folder / name
    whole = path.read_bytes()
    end = b"\n" if name == "history.jsonl" else b""  # without it the line of a killed writer, which is left out
    for content in ODD:
        path.unlink()
        path.write_bytes(content + end)
        asked(registry, told=path.name)
    path.write_bytes(whole)
    assert registry_check.problems(registry) == []


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "link"])
def test_what_is_no_file_is_one_message(registry: Registry, name: str, kind: str) -> None:
    path = registry.folder / name
    whole = path.rename(registry.folder.parent / "whole")
    makers: dict[str, Callable[[], object]] = {
        "folder": path.mkdir, "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"), "link": lambda: path.symlink_to(whole),
    }  # fmt: skip
    makers[kind]()
    asked(registry, told=f"{path.name}: must be readable")


@settings(max_examples=60)
@given(st.binary(max_size=60), st.integers(0, 10**6), st.sampled_from(FILES))
def test_bytes_written_anywhere_are_found_and_raise_nothing_else(
    template: Path, noise: bytes, place: int, name: str
) -> None:
    registry = Registry(template / "models", "boards")
    path = registry.folder / name
    whole = path.read_bytes()
    start = place % (len(whole) + 1)
    changed = whole[:start] + noise + whole[start + len(noise) :]
    path.chmod(0o644)
    path.write_bytes(changed)
    found = registry_check.problems(registry)
    path.write_bytes(whole)
    added = name == "history.jsonl" and changed.startswith(whole)  # as a line that its writer did not finish: no damage
    assert bool(found) == (changed != whole) or added


def test_aliases_of_odd_but_sealed_content_are_one_message(registry: Registry) -> None:
    contents: list[dict[str, Any]] = [
        {"lines": []}, {"lines": "8"}, {CHAMPION: "2"}, {"stage": 2}, {CHAMPION: 10**12}, {CHAMPION: None},
    ]  # fmt: skip
    for odd in contents:
        sealed_json.write(registry.folder / "aliases.json", registry.aliases() | odd)
        asked(registry, told="aliases.json: must map challenger, champion, previous to version numbers, but got")
        sealed_json.write(registry.folder / "aliases.json", {CHALLENGER: 4, CHAMPION: 2, PREVIOUS: 1, "lines": 8})
    assert registry_check.problems(registry) == []


def test_a_history_of_odd_but_sealed_content_is_one_message(registry: Registry) -> None:
    good, nothing = registry.history()[-1], dict[str, Any]()
    for odd in (
        nothing, {"moves": 3}, good | {"moves": {"stage": 1}}, good | {"aliases": {CHAMPION: 7}}, good | {"more": 1},
        good | {"moves": {CHAMPION: 10**12}}, good | {"aliases": None}, good | {"kind": 7}, good | {"why": None},
    ):  # fmt: skip
        (registry.folder / "history.jsonl").write_bytes(move_log.extended(b"", odd))
        asked(registry, told="history.jsonl")
