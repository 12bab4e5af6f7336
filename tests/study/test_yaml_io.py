"""YAML of strangers: what explodes, never ends or is compared pair by pair is read in a bounded time, or refused."""

import os
from pathlib import Path
from typing import Any

import pytest

from automl.study import load as study_load
from automl.study import messages, text_file, yaml_io
from automl.study.errors import SpecError
from tests.builders import FakeRules, written
from tests.study.test_load import TEXT

pytestmark = pytest.mark.timeout(60)  # what is tested here took minutes, or for ever
BOMB = "b0: &b0 [x, x]\n" + "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 9)}]\n" for n in range(1, 30))


def refused(folder: Path, text: str, **overrides: Any) -> str:
    path = written(folder, "spec.yaml", text)
    with pytest.raises(SpecError, match=r"spec\.yaml") as caught:
        study_load.load(path, rules=FakeRules(), overrides=overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "name: *b29", "model: *b29", "names: *b29", "train: {freeze: *b29}", "warm_start: *b29", "budget: *b29",
        "seed: *b29", "space: {lr0: *b29}", "space: {lr0: {choices: *b29, default: 1}}", "*b29 : 1",
        "ladder: {<<: *b29}",
    ],
)  # fmt: skip
def test_a_few_aliases_that_stand_for_billions_are_refused_wherever_they_are(tmp_path: Path, line: str) -> None:
    key = line.partition(":")[0]
    kept = "\n".join(one for one in TEXT.splitlines() if not one.startswith((f"{key}:", "  ")))
    assert "must have at most 300000 values, aliases followed" in refused(tmp_path, f"{kept}\n{BOMB}{line}\n")


def test_keys_merged_again_and_again_and_an_alias_of_itself_are_refused(tmp_path: Path) -> None:
    merged = "b0: &b0 {k: 1}\n" + "".join(
        f"b{n}: &b{n} {{<<: [{', '.join([f'*b{n - 1}'] * 9)}]}}\n" for n in range(1, 20)
    )
    assert "aliases followed" in refused(tmp_path, merged)
    assert "an alias must not contain itself" in refused(tmp_path, "a: &a {b: *a}")
    chain = "b0: &b0 [x]\n" + "".join(f"b{n}: &b{n} [*b{n - 1}]\n" for n in range(1, 5000))
    assert "deep" in refused(tmp_path, chain)


def test_aliases_that_repeat_a_little_are_taken(tmp_path: Path) -> None:
    text = f"{TEXT}train: {{imgsz: &size 64, batch: 8}}\n".replace("low: 1e-4", "low: &low 1e-4").replace(
        "default: 0.01", "default: 0.01"
    )
    assert study_load.load(written(tmp_path, "spec.yaml", text), rules=FakeRules()).train["imgsz"] == 64


@pytest.mark.parametrize("kind", ["pipe", "zero", "folder"])
@pytest.mark.parametrize("name", ["spec.yaml", "spec.py"])
def test_a_file_that_never_ends_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(SpecError, match=r"must be a readable file, but (it is a pipe, a socket or a device|Is a dir)"):
        study_load.load(path, rules=FakeRules())


def test_a_file_of_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    with path.open("wb") as file:
        file.truncate(50 * 10**9)
    with pytest.raises(SpecError, match="must be a readable file, but it is larger than 2 MB"):
        yaml_io.read_yaml(path)
    assert text_file.MOST_BYTES == 2_000_000


@pytest.mark.parametrize("text", ["# x://" + ":" * 900_000, "# " + "x://a:" * 150_000, "# " + "@ x:// " * 120_000])
def test_a_long_comment_is_searched_for_passwords_in_linear_time(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, "spec.yaml", f"{text}\na: 1\n")
    assert yaml_io.read_yaml(path) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("s3://me:word@host", True), ("x: a://b:c@d", True), ("a://:w@h", True), ("a://b:c/d:e@f", True),
        ("see http://host/a:b and me@home", False), ("http://host:80/x", False), ("me@home http://a", False),
        ("a://b:c d@e", False), ("://b:c@d", False), ("a://b/c:d@e", False), ("@", False), ("", False),
    ],
)  # fmt: skip
def test_a_password_is_found_where_it_was(text: str, *, secret: bool) -> None:
    assert (yaml_io._secret_in(text) is not None) is secret


def test_many_keys_are_read_and_many_that_stand_twice_are_told(tmp_path: Path) -> None:
    many = {f"k{number}": number for number in range(3000)}
    text = "".join(f"{key}: {value}\n" for key, value in many.items())
    assert yaml_io.read_yaml(written(tmp_path, "a.yaml", text)) == many
    with pytest.raises(SpecError, match="a key must appear once") as caught:
        yaml_io.read_yaml(written(tmp_path, "a.yaml", text + text.replace(": ", ": 1")))
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("space.lr0", {"choices": [*range(10_000)], "default": 1}, "must have at most 1000 choices, but has 10000"),
        ("space.lr0", [{"low": 0, "high": 1, "default": 0}] * 5000, "must have at most 100 ranges, but has 5000"),
        ("space", {f"p{n}": {"low": 0, "high": 1, "default": 0} for n in range(20_000)}, "at most 1000 parameters"),
        ("warm_start", ["runs/a"] * 30_000, "must name each study once"),
        ("train", {"x" * 100_000: 1}, "is not a setting of Ultralytics"),
        ("space.lr0.low", 10**400, "space.lr0: low < high must hold, but got low=1000"),
        ("name", ["x"] * 1_000_000, "name: must be text, but got ['x', 'x'"),
    ],
)  # fmt: skip
def test_what_is_too_large_to_compare_is_told_in_a_line(tmp_path: Path, key: str, value: object, said: str) -> None:
    found = refused(tmp_path, TEXT, **{key: value})
    assert said in found
    assert len(found) < 100_000


def test_thousands_of_unknown_keys_are_a_hundred_lines(tmp_path: Path) -> None:
    found = refused(tmp_path, TEXT + "".join(f"unknown{n}: 1\n" for n in range(3000))).splitlines()
    assert len(found) == 101
    assert found[-1] == "and 2900 more mistakes"


@pytest.mark.parametrize("value", [{"a": [1, {"b": (2,)}]}, [], {}, "x" * 70, (1, 2), {3}, None, [[]], {1: {}}])
def test_a_short_value_is_shown_whole(value: object) -> None:
    assert messages.shown(value) == repr(value)


def test_a_value_is_shown_no_further_than_it_is_printed() -> None:
    class Endless(list[object]):
        def __iter__(self) -> Any:
            while True:
                yield 1

    assert messages.shown(Endless([1])).endswith(" ...")


@pytest.mark.parametrize(
    "text", ["!!int ''", "!!float ''", "!!bool x", "!!timestamp x", "0x" + "f" * 6000, "1" + ":1" * 9000, "!!set {[a]}"]
)
def test_a_value_that_yaml_stumbles_over_is_one_message(tmp_path: Path, text: str) -> None:
    assert "must be YAML, but" in refused(tmp_path, f"seed: {text}\n")


@pytest.mark.parametrize(
    "value", ["tune.choice()", "{min: a, max: b}", "{values: []}", "tune.randint(3)", "'" + "(" * 900 + "'"]
)
def test_a_value_that_resembles_another_tool_s_is_one_message(tmp_path: Path, value: str) -> None:
    kept = TEXT.partition("space:")[0]
    assert "space.lr0" in refused(tmp_path, f"{kept}space: {{lr0: {value}}}\n")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a:\tb\nc: \td\t# e\n", {"a": "b", "c": "d"}),
        ("a: [x,\ty\t]\nb: {c:\td}\n", {"a": ["x", "y"], "b": {"c": "d"}}),
        ("a:\t\n  0:\tx\n", {"a": {0: "x"}}),
        ("a: 2\nb: 1\na: 2\n", {"a": 2, "b": 1}),
    ],
)
def test_tabs_and_repeats_that_change_nothing_are_read_as_by_libyaml(
    tmp_path: Path, text: str, read: dict[str, object]
) -> None:
    assert yaml_io.read_yaml(written(tmp_path, "a.yaml", text)) == read


def test_a_list_that_is_repeated_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="a key must appear once"):
        yaml_io.read_yaml(written(tmp_path, "a.yaml", "a: [1]\na: [1]\n"))


def test_control_characters_are_dropped_on_request(tmp_path: Path) -> None:
    path = written(tmp_path, "a.yaml", "a: b # \x0c\x07\n")
    assert yaml_io.read_yaml(path, printable=True) == {"a": "b"}
    with pytest.raises(SpecError, match="special characters are not allowed"):
        yaml_io.read_yaml(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: {b: [1, 2.5, 1e-4, yes, 'x', \"y\\n\"], c: ~}\nd: &x [1, 2]\ne: *x\n<<: {f: 1}\ng: 2024-01-02\n", None),
        ("", None),
        ("lr0: 1e-4\n0: hole\n'1': ''\n# x\nb: -.inf\n", {"lr0": 1e-4, 0: "hole", "1": "", "b": float("-inf")}),
    ],
)
def test_both_parsers_read_the_same(monkeypatch: pytest.MonkeyPatch, text: str, value: object) -> None:
    assert yaml_io.UNDISPUTED.fullmatch(text)
    slow = yaml_io._parsed_in_python(text)
    monkeypatch.setattr(yaml_io, "_parsed_in_python", lambda _text: pytest.fail("libyaml was not used"))
    assert yaml_io._parsed(text) == slow
    assert value is None or slow == value


@pytest.mark.parametrize("character", "\t\r!%>?|é\x85\u2028")
def test_what_parsers_read_otherwise_is_read_by_one(monkeypatch: pytest.MonkeyPatch, character: str) -> None:
    monkeypatch.setattr(yaml_io, "_FastLoader", lambda _text: pytest.fail("libyaml was used"))
    assert yaml_io._parsed(f"a: 1 # {character}") == {"a": 1}


def test_a_mistake_is_told_as_without_libyaml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = []
    for fast in (True, False):
        monkeypatch.setattr("yaml.__with_libyaml__", fast)
        for text in ("a: [1, 2\n", "a: 1\na: 2\n", "a: b: c\n", "{[a]: 1}\n"):
            with pytest.raises(SpecError, match=r"a\.yaml") as caught:
                yaml_io.read_yaml(written(tmp_path, "a.yaml", text))
            told.append(str(caught.value))
    assert told[:4] == told[4:]


@pytest.mark.slow
@pytest.mark.parametrize("level", ["[", "{a: ", "- ", "a: [", "- - "])
def test_what_is_nested_so_deep_that_libyaml_would_end_the_process_is_refused(tmp_path: Path, level: str) -> None:
    assert "nested too deep" in refused(tmp_path, level * 200_000)


@pytest.mark.parametrize(
    ("text", "fast"),
    [
        ("- []\n" * yaml_io.FLOW, True),
        ("- []\n" * (yaml_io.FLOW + 1), False),
        ("a: " + "b" * yaml_io.WIDTH, False),
    ],
)
def test_only_flat_texts_are_read_by_libyaml(monkeypatch: pytest.MonkeyPatch, text: str, *, fast: bool) -> None:
    monkeypatch.setattr(yaml_io, "_parsed_in_python", lambda _text: "slow")
    assert (yaml_io._parsed(text) != "slow") is fast
