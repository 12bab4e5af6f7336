"""Random descriptions: types, nesting, alias bombs, encodings, other tools' spaces, and files that are none."""

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

BASE: Final[Mapping[str, Any]] = {
    "name": "fuzzed",
    "model": "yolo11n.yaml",
    "data": "sample",
    "objective": "map50_95",
    "budget": {"trials": 4, "hours": 1.0},
    "ladder": {"min_epochs": 2, "max_epochs": 6, "reduction_factor": 3},
    "space": {
        "optimizer": {"choices": ["SGD", "AdamW"], "default": "SGD"},
        "lr0": [
            {"low": 1e-3, "high": 0.1, "default": 0.01, "log": True, "when": {"optimizer": ["SGD"]}},
            {"low": 1e-4, "high": 0.01, "default": 0.001, "when": {"optimizer": ["AdamW"]}},
        ],
        "momentum": {"low": 0.6, "high": 0.98, "default": 0.9},
        "close_mosaic": {"low": 0, "high": 3, "default": 2, "type": "int"},
    },
    "train": {"imgsz": 64, "batch": 8, "freeze": [0, 1]},
    "warm_start": ["runs/earlier"],
    "resources": {"gpus": "auto", "cpus": 1.0, "retries": 2},
    "confirm": {"seeds": "auto", "split": "val"},
    "retention": {"keep": 2, "quota_gb": 3.0},
    "export": {"engine": "none"},
    "gates": {"min_gain": 0.0, "confidence": 0.95},
    "seed": 0,
}
ODD: Final[tuple[object, ...]] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 10**400, 0.0, -0.0, 1e-320, 5e-324, 1e308, -1e308,
    1.5, float("inf"), float("-inf"), float("nan"), "", " ", "auto", "sample", "x" * 100_000, "\x1b[31mred", "a\nb",
    "../up", "b\udcfcro",
    "/etc/passwd", "/dev/zero", "https://host/x.pt", "s3://me:word@host", "ü数据😀", "null", "1e5", "1_000", "0x1f",
    [], [[]], [None], ["a", 1], [1] * 2000, {}, {"a": 1}, {1: 2}, {"low": 1}, {"choices": []}, {"choices": [1, True]},
    {"low": 2, "high": 1, "default": 1}, {"low": -1e308, "high": 1e308, "default": 0.0}, "tune.choice()",
    {"low": 5e-324, "high": 1.0, "default": 0.5, "log": True}, "tune.uniform(1)",
    {"low": 0, "high": 1e300, "default": 1, "type": "int"},
    {"min": "a", "max": "b"}, {"min": 0, "max": 1}, {"values": []}, {"values": [{}]},
    "(1e-5, 1e-1)", "(" * 300, "tune.choice([" + "1," * 300 + "])", [3, 1], [1, 2, 3],
    "__import__('os').system('true')",
)  # fmt: skip
"""Values that stand in place of others."""
TAGS: Final = (
    "!!int ''", "!!int x", "!!float ''", "!!float x", "!!bool x", "!!null x", "!!timestamp x", "!!binary '*'",
    "!!set {a, b}", "!!omap [a: 1]", "!!pairs [a: 1]", "!!python/name:os.system", "!!binary aGk=", "!own x",
    "!!python/object/apply:os.system [true]", "2024-13-45", "2024-01-01", "2024-01-01T00:00:00+99:99", "0o17",
    "1:30:20", "=", "<<", "~", "'", '"', "|", "*a", "&a", "? a", "- a", "%", "@", "`", "\t", "---", "...", "{", "}",
    "[", "]", "# x", r'"\ud800"', "0x" + "f" * 6000, "1" * 6000, "1" + ":1" * 3000,
)  # fmt: skip
"""Texts that YAML reads in a way of its own, or not at all."""
PROGRAMS: Final = (
    "space = {'lr0': (1e-5, 1e-1)}", "tune.run(config={'lr0': tune.choice()})", "x = " + "(" * 500, "def f(:",
    "space = {'lr0': tune.randint(3)}", "\0", "space = {**{}, 'a': 1}", "x = " + "-" * 20000 + "1",
    "space = {'a': " + "[" * 150 + "]" * 150 + "}",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One description: how it is made, and what is set on the command line."""

    kind: str
    make: Callable[[Path], Path]
    overrides: Mapping[str, Any] = field(default_factory=dict)


def case_of(number: int, seed: int) -> Case:
    """Return a case; the same for the same number and seed."""
    chance = random.Random(f"{seed}:{number}")
    return chance.choices(list(KINDS), weights=list(KINDS.values()))[0](chance)


def _values(chance: random.Random) -> Case:
    """Some values replaced, keys removed or added."""
    described = _copied(BASE)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        owner, key = chance.choice(_places(described))
        deed = chance.random()
        if deed < 0.7:
            owner[key] = _copied(chance.choice(ODD))
        elif deed < 0.85:
            del owner[key]
        elif isinstance(owner, dict):
            owner[chance.choice(["trials", "lr0", "x" * 3000, "epochs", 1, None, "mosaic", "", "a.b"])] = chance.choice(
                ODD
            )
    return Case("values", _writes(_dumped(described)))


def _text(chance: random.Random) -> Case:
    """A line's value replaced by a text that YAML reads in its own way."""
    lines = _dumped(BASE).splitlines()
    for _ in range(chance.randint(1, 2)):
        at = chance.randrange(len(lines))
        lines[at] = (
            f"{lines[at].partition(':')[0]}: {chance.choice(TAGS)}" if chance.random() < 0.8 else chance.choice(TAGS)
        )
    return Case("text", _writes("\n".join(lines)))


def _bytes(chance: random.Random) -> Case:
    """Bytes changed, removed or added, or another encoding."""
    content = bytearray(_dumped(BASE), "utf-8")
    if chance.random() < 0.3:
        encoding = chance.choice(["utf-16", "utf-32", "utf-16-be", "utf-8-sig", "cp037"])
        return Case("bytes", _writes(_dumped(BASE).encode(encoding)))
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(content))
        content[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
    return Case("bytes", _writes(bytes(content[: chance.choice([None, None, chance.randrange(len(content))])])))


def _bomb(chance: random.Random) -> Case:
    """A value of a few hundred bytes that stands for billions, or for itself."""
    width, depth = chance.randint(2, 12), chance.randint(5, 40)
    kind = chance.choice(["list", "merge", "self", "keys"])
    lines = ["b0: &b0 {k: 1}" if kind == "merge" else "b0: &b0 [x, x]"]
    for level in range(1, depth):
        inner = ", ".join([f"*b{level - 1}"] * width)
        pairs = ", ".join(f"k{number}: *b{level - 1}" for number in range(width))
        body = {
            "list": f"[{inner}]",
            "merge": f"{{<<: [{inner}]}}",
            "self": f"[*b{level}, {inner}]",
            "keys": f"{{{pairs}}}",
        }[kind]
        lines.append(f"b{level}: &b{level} {body}")
    key = chance.choice([*BASE, "names", "b"])
    inside = chance.choice(
        [f"{key}: *b{depth - 1}", f"train: {{freeze: *b{depth - 1}}}", f"space: {{lr0: *b{depth - 1}}}"]
    )
    given = inside.partition(":")[0]
    rest = _dumped({name: value for name, value in BASE.items() if name != given})
    return Case(f"bomb {kind}", _writes("\n".join([rest, *lines, inside])))


def _large(chance: random.Random) -> Case:
    """Many keys, choices, ranges or letters, or a deep nesting."""
    count = chance.choice([1000, 10_000, 30_000])
    text = _dumped(BASE)
    made = {
        "keys": "".join(f"k{n}: 1\n" for n in range(count)) + text,
        "twice": f"{text}seed: 1\n" * 2 + "".join(f"k{n % 7}: 1\n" for n in range(count)),
        "choices": _dumped({**BASE, "space": {"lr0": {"choices": [n / 7 for n in range(count)], "default": 0}}}),
        "parameters": _dumped(
            {**BASE, "space": {f"p{n}": {"low": 0, "high": 1, "default": 0} for n in range(count // 10)}}
        ),
        "ranges": _dumped({**BASE, "space": {"lr0": [{"low": 0, "high": 1, "default": 0}] * (count // 10)}}),
        "comment": f"# x://{':' * count * 4}\n{text}",
        "addresses": f"# {'x://a:' * count}\n{text}",
        "nested": f"{text}extra: {'[' * count}",
        "letters": text.replace("yolo11n.yaml", "y" * count * 10),
        "list": text.replace("runs/earlier", "runs/" + "\n- runs/".join(map(str, range(count)))),
        "blanks": text + " " * count * 10 + "\n" * count,
    }
    kind = chance.choice(list(made))
    return Case(f"large {kind}", _writes(made[kind]))


def _program(chance: random.Random) -> Case:
    return Case("program", _writes(chance.choice(PROGRAMS), name="search.py"))


def _no_file(chance: random.Random) -> Case:
    """A path that is no regular file."""

    def make(folder: Path) -> Path:
        path = folder / chance.choice(["spec.yaml", "spec.py"])
        path.unlink(missing_ok=True)
        kind = chance.choice(["pipe", "folder", "loop", "zero", "missing", "name"])
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            return folder
        elif kind == "loop":
            path.symlink_to(path)
        elif kind == "zero":
            path.symlink_to("/dev/zero")
        return folder / ("x" * 300) if kind == "name" else path

    return Case("no file", make)


def _setting(chance: random.Random) -> Case:
    """A key set on the command line."""
    owner = [
        *BASE,
        "train.imgsz",
        "space.lr0",
        "space.momentum.low",
        "budget.trials.x",
        "a.b.c",
        "",
        ".",
        "space..x",
        "train",
    ]
    given = {chance.choice(owner): _copied(chance.choice(ODD)) for _ in range(chance.randint(1, 3))}
    return Case("setting", _writes(_dumped(BASE)), given)


KINDS: Final[Mapping[Callable[[random.Random], Case], float]] = {
    _values: 8, _text: 4, _bytes: 4, _bomb: 3, _large: 0.5, _program: 0.5, _no_file: 0.5, _setting: 3,
}  # fmt: skip
"""Kinds of cases and how often each comes."""


def _copied(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _places(value: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401
    """Return each container with each of its keys, at all depths."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [place for key in keys for place in _places(value[key])]


def _dumped(value: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True))


def _writes(content: str | bytes, *, name: str = "spec.yaml") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.unlink(missing_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        return path

    return make
