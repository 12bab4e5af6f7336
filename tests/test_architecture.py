"""The house's laws on files, names, doors and faces: a new option or key is a decision, not an accident."""

import ast
import importlib.util
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from pydantic import BaseModel

from automl.apps.cli import app
from automl.study.spec import StudySpec

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "automl").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MOST_LINES = 300
MOST_FUNCTION_LINES = 50
VAGUE = {"base", "common", "core", "helper", "helpers", "misc", "shared", "tools", "util", "utils"}

FORMS = ("--calibration", "--chip", "--dynamic", "--engine", "--force", "--imgsz", "--precision")
KIT = ("--data", "--images", "--runtime", "--split", "--storage", "--target", "--version")

OPTIONS = {
    "audit": ["--epochs", "--folds", "--json", "--lang", "--models", "--split", "--storage", "study"],
    "bundle-site": ["--constraints", "--requirement", "--verify", "--weights", "out"],
    "cancel": ["--storage", "study", "trial"],
    "card": ["--lang", "--storage", "reference"],
    "check": ["--data", "--json", "--model", "--prove", "--report", "--set", "--storage", "spec"],
    "dashboard": ["--host", "--port", "--storage", "study"],
    "device-built": ["--storage", "folder", "model"],
    "device-kit": [*KIT, "folder", "model"],
    "diff": ["--json", "--storage", "after", "before", "model"],
    "doctor": ["--address", "--json", "--set", "--storage", "spec"],
    "enqueue": ["--storage", "params", "study"],
    "export": [*FORMS, "--storage", "--version", "model", "target"],
    "field": ["--json", "--ready", "--storage", "folder", "study"],
    "history": ["--json", "--storage", "model"],
    "import": ["--group", "--json", "--names", "--split", "out", "source"],
    "init": ["--force", "--model", "--out", "data"],
    "notify": ["--set", "spec"],
    "labels": ["--json", "--propose", "--settle", "--storage", "--undo", "data"],
    "predict": [
        "--conf",
        "--force",
        "--iou",
        "--json",
        "--max-det",
        "--max-pixels",
        "--out",
        "--storage",
        "--target",
        "model",
        "path",
    ],
    "project": ["--points", "--storage", "study", "trial"],
    "promote": ["--json", "--override", "--storage", "--target", "--version", "--why", "model"],
    "push": ["--json", "--storage", "--to", "reference"],
    "replay": ["--data", "--json", "--storage", "reference"],
    "report": ["--lang", "--storage", "study"],
    "resume": ["--address", "--fewer-gpus", "--storage", "study"],
    "rollback": ["--storage", "--target", "--why", "model"],
    "sample": ["--seed", "folder"],
    "schema": ["--force", "--out"],
    "search": ["--address", "--data", "--fewer-gpus", "--model", "--name", "--plan", "--set", "--storage", "spec"],
    "serve": [
        "--allowed-host",
        "--field",
        "--host",
        "--max-pixels",
        "--poll",
        "--port",
        "--storage",
        "--target",
        "--version",
        "model",
    ],
    "sign": ["--key", "--storage", "--version", "model"],
    "stop": ["--address", "--storage", "study"],
    "submit": [
        "--address",
        "--data",
        "--detach",
        "--fewer-gpus",
        "--model",
        "--name",
        "--plan",
        "--set",
        "--storage",
        "spec",
    ],
    "status": ["--json", "--storage", "--watch", "study"],
    "studies": ["--data", "--json", "--storage"],
    "tensorboard": ["--host", "--port", "--storage", "study"],
    "verify": ["--json", "--key", "--storage", "model"],
    "watch": [
        "--conf",
        "--field",
        "--iou",
        "--max-det",
        "--max-pixels",
        "--modbus",
        "--mqtt",
        "--opcua",
        "--poll",
        "--post",
        "--storage",
        "--target",
        "model",
        "source",
    ],
    "web": ["--allowed-host", "--host", "--language", "--password-file", "--port", "--storage"],
}

TARGET_KEYS = [
    "compatible", "format", "max_end_to_end_ms", "max_latency_ms", "max_loss", "max_mb", "precision", "required",
    "resource",
]  # fmt: skip
KEYS = {
    "": ["champion", "data", "model", "name", "past_studies", "portfolio", "seed", "train", "warm_start"],
    "budget.": ["gpu_hours", "hours", "min_gain_per_hour", "total_hours", "trials"],
    "confirm.": ["earlier_data", "finalists", "retrainings", "seeds", "split"],
    "contract.": ["confidence", "max_miss_rate", "max_overkill_rate", "per", "stop"],
    "export.": ["dynamic", "end_to_end", "engine"],
    "gates.": [
        "confidence",
        "max_champion_recall_loss",
        "max_class_recall_loss",
        "max_drift",
        "max_export_loss",
        "max_forgetting",
        "max_threshold_loss",
        "min_gain",
        "policy",
        "require_engine",
    ],
    "ladder.": ["max_epochs", "min_epochs", "reduction_factor", "scheduler", "validate_every"],
    "notify.": ["command", "events", "webhook"],
    "objective.": ["constraints", "metric", "second", "tolerance"],
    "objective.at.": ["over_kill", "per"],
    "resources.": [
        "concurrent",
        "cpus",
        "gpus",
        "hung_minutes",
        "local_copy",
        "local_copy_gb",
        "memory_gb",
        "own_retries",
        "retries",
    ],
    "resources.exceptions.": ["cpus", "gpus", "memory_gb", "when"],
    "retention.": ["keep", "quota_gb"],
    "targets.*.": TARGET_KEYS,
    "tracking.": ["budget_mb", "histograms", "pictures_every"],
    "tracking.mlflow.": ["experiment", "uri"],
    "space.*.": ["choices", "default", "high", "log", "low", "type", "when"],
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def options(command: Any) -> list[str]:
    names = (max(option.opts, key=len) for option in command.params)
    return sorted(name for name in names if name != "--help")


def models_in(annotation: Any) -> set[type[BaseModel]]:
    """Return the models that a field may hold, at any depth of its type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {model for part in get_args(annotation) for model in models_in(part)}


def keys_of(model: type[BaseModel], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        inner = models_in(field.annotation)
        named = "*." if str(field.annotation).startswith("dict") else ""
        found |= {key for part in inner for key in keys_of(part, f"{prefix}{name}.{named}")} or {prefix + name}
    return found


def test_the_command_line_has_these_options_and_no_others() -> None:
    group: Any = typer.main.get_command(app)
    assert {name: options(command) for name, command in group.commands.items()} == OPTIONS


def test_a_description_has_these_keys_and_no_others() -> None:
    assert keys_of(StudySpec) == {prefix + key for prefix, keys in KEYS.items() for key in keys}


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    return [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))]


def length_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or 0) - node.lineno + 1


def test_a_file_is_read_in_one_sitting() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in [*FILES, *TESTS]}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_a_function_fits_on_a_page() -> None:
    functions = [
        (name_of(path), node.name, length_of(node))
        for path in FILES
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [function for function in functions if function[-1] > MOST_FUNCTION_LINES] == []


def test_the_program_never_asserts() -> None:
    found = [
        f"{name_of(path)}:{node.lineno}" for path in FILES for node in nodes_of(path) if isinstance(node, ast.Assert)
    ]
    assert found == []


def test_a_module_is_named_after_a_noun_of_its_own() -> None:
    parts = {path: path.relative_to(ROOT / "automl").with_suffix("").parts for path in FILES}
    assert [name_of(path) for path, names in parts.items() if not VAGUE.isdisjoint(names)] == []
    assert [name_of(path) for path, names in parts.items() if any(re.search(r"\d$", name) for name in names)] == []


def test_no_module_hides_another_when_search_py_runs_as_a_script() -> None:
    """`automl/` is then first on the path: `automl/queue.py` or `automl/optuna.py` would break the program."""
    entries = [path for path in (ROOT / "automl").iterdir() if path.is_dir() or path.suffix == ".py"]
    ours = {path.stem for path in entries if path.stem != "__init__" and path.name[0] != "."}
    others = {*sys.stdlib_module_names, *sys.builtin_module_names, *packages_distributions()} - {"automl"}
    assert ours & others == set()


def test_the_package_has_at_most_13_entries() -> None:
    """Twelve rooms and `__init__.py`: a new module goes into a room."""
    marks = {"__pycache__", "py.typed"}  # the latter says that the package is typed (PEP 561)
    entries = {path.name for path in (ROOT / "automl").iterdir() if path.name[0] != "." and path.name not in marks}
    assert len(entries) <= 13, sorted(entries)


def test_search_py_defines_main_alone_and_nothing_imports_it() -> None:
    tree = ast.parse((ROOT / "automl" / "search.py").read_text())
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == ["main"]
    importing = re.compile(r"^\s*(from automl\.search|import automl\.search|from automl import .*\bsearch\b)", re.M)
    assert [name_of(path) for path in FILES if importing.search(path.read_text())] == []


def wordless(path: Path) -> list[str]:
    """Return the expected errors without a message, but for exceptions that a test file makes for itself."""
    if "raises" not in path.read_text(encoding="utf-8"):
        return []
    nodes = nodes_of(path)
    own = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "raises"]
    raising = [call for call in named if ast.unparse(call.func) == "pytest.raises"]
    without = [call for call in raising if "match" not in {keyword.arg for keyword in call.keywords}]
    return [f"{name_of(path)}:{call.lineno}" for call in without if ast.unparse(call.args[0]) not in own]


def test_every_expected_error_has_a_message() -> None:
    assert [place for path in TESTS for place in wordless(path)] == []


def test_the_lines_of_an_error_are_its_arguments() -> None:
    """A line break inside an argument is shown as an escape, since it may come from the name of a file."""
    broken = [
        f"{name_of(path)}:{node.lineno}"
        for path in FILES
        for node in nodes_of(path)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
        for part in ast.walk(node.exc)
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and "\n" in part.value
    ]
    assert broken == []


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("importlinter") is None, reason="import-linter is not installed")
def test_imports_point_down_and_each_vendor_has_one_door() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--config", str(ROOT / "pyproject.toml")]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
