"""The public Python API: `import automl` loads no vendor, and its names are these and no others."""

import importlib
import inspect
import subprocess
import sys
from importlib.resources import files

import pytest

import automl
from automl.study import errors

NAMES = {
    "AutomlError", "DataAwayError", "DataError", "ExportError", "Finding", "Interrupted", "Preview", "Registry",
    "RegistryError", "SpecError", "Study", "StudyError", "StudyStatus", "TrialError", "Verdict", "check", "open_study",
    "search",
}  # fmt: skip
VENDORS = {"matplotlib", "numpy", "onnx", "optuna", "pydantic", "ray", "scipy", "torch", "typer", "ultralytics", "yaml"}


def test_the_public_names_are_these_and_no_others() -> None:
    assert set(automl.__all__) == NAMES
    assert set(dir(automl)) >= NAMES
    assert all(hasattr(automl, name) for name in NAMES)


def test_every_error_class_is_public() -> None:
    ours = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert ours <= NAMES
    assert all(getattr(automl, name) is getattr(errors, name) for name in ours)


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'automl' has no attribute 'searches'"):
        _ = automl.searches


def test_the_package_says_that_it_is_typed() -> None:
    assert files("automl").joinpath("py.typed").is_file()


def test_an_import_loads_no_vendor() -> None:
    code = f"import sys, automl; print({VENDORS!r} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


def test_search_stays_the_function_when_the_entry_script_is_imported() -> None:
    module = importlib.import_module("automl.search")
    assert sys.modules["automl.search"] is module
    assert callable(module.main)
    assert automl.search.__module__ == "automl.apps.api"
    importlib.reload(module)
    from automl import search  # noqa: PLC0415

    assert search is automl.search
    assert callable(search)


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        ("search", ["spec", "data", "model", "name", "storage", "address", "overrides", "fewer_gpus"]),
        ("check", ["spec", "data", "model", "storage", "overrides", "report", "prove"]),
        ("open_study", ["folder"]),
        ("Registry", ["folder"]),
    ],
)
def test_the_functions_take_these_arguments_and_no_others(function: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(automl, function)).parameters) == parameters


@pytest.mark.parametrize(
    ("name", "members"),
    [
        (
            "Study",
            [
                "audit",
                "audit_page",
                "best_trial",
                "cancel",
                "enqueue",
                "findings",
                "name",
                "project",
                "report",
                "resume",
                "status",
                "trials",
                "verdict",
            ],
        ),
        (
            "Registry",
            [
                "aliases",
                "card",
                "diff",
                "history",
                "path",
                "promote",
                "replay",
                "rollback",
                "sign",
                "verify",
                "versions",
            ],
        ),
    ],
)
def test_the_classes_have_these_members_and_no_others(name: str, members: list[str]) -> None:
    assert sorted(member for member in vars(getattr(automl, name)) if member[0] != "_") == members
