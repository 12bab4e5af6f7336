"""The JSON Schema of a description: the file in docs/, the texts of the keys, and what it takes and refuses."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from automl.study import shipped_spaces
from automl.study.schema import schema, text
from automl.study.spec import StudySpec
from automl.study.yaml_io import read_yaml
from tests.builders import RATES, SPEC

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "description.schema.json"
SPACES = sorted({*(ROOT / "search_spaces").glob("*.yaml")} - {ROOT / "search_spaces" / "portfolio.yaml"})
SHIPPED = [*SPACES, ROOT / "examples" / "first_study.yaml"]
HEAD = "# yaml-language-server: $schema=../docs/description.schema.json\n"


def mistakes(**changes: Any) -> list[str]:
    """Return the paths of the keys that the schema refuses in the small description."""
    found = Draft202012Validator(schema()).iter_errors({**SPEC, **changes})
    return sorted(".".join(map(str, error.absolute_path)) for error in found)


def test_the_file_in_docs_is_what_the_verb_prints() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "run automl schema --out docs/description.schema.json --force"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_space_validates_and_names_the_schema(path: Path) -> None:
    assert [*Draft202012Validator(schema()).iter_errors(read_yaml(path))] == []
    assert path.read_text(encoding="utf-8").startswith(HEAD)
    assert (path.parent / HEAD.rpartition("=")[2].strip()).resolve() == FILE


def test_a_description_as_a_study_keeps_it_validates() -> None:
    kept = StudySpec.model_validate({**SPEC, "space": RATES}).model_dump(mode="json")
    assert [*Draft202012Validator(schema()).iter_errors({"format": 1, **json.loads(json.dumps(kept))})] == []


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"budgett": {}}, [""]),
        ({"budget": {}}, ["budget"]),
        ({"budget": {"trials": 0}}, ["budget.trials"]),
        ({"objective": "map"}, ["objective"]),
        ({"name": "../up"}, ["name"]),
        ({"space": {"lr0": {"low": 0.1}}}, ["space.lr0"]),
        ({"space": {"lr0": {"low": 0.1, "high": 0.2, "default": 0.1, "step": 1}}}, ["space.lr0"]),
        ({"train": {"imgsz": 640, "anything": [1, 2]}}, []),
        ({"format": 2}, ["format"]),
    ],
)
def test_a_key_or_value_outside_the_law_is_refused(changes: dict[str, Any], where: list[str]) -> None:
    assert mistakes(**changes) == where


def test_every_key_of_the_top_and_its_parts_has_a_text() -> None:
    found = schema()
    own = {name for name, field in found["properties"].items() if "$ref" not in field and not field.get("description")}
    inner = {
        f"{part}.{name}"
        for part, model in found["$defs"].items()
        for name, field in model["properties"].items()
        if not field.get("description")
    }
    assert own | inner == set()


@pytest.mark.slow
def test_the_shipped_spaces_validate_as_yaml_1_2() -> None:
    """`check-jsonschema` reads YAML as editors do."""
    command = [str(Path(sys.executable).with_name("check-jsonschema")), "--schemafile", str(FILE)]
    found = subprocess.run([*command, *map(str, SHIPPED)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_shipped_spaces_lie_beside_the_package_or_in_it(tmp_path: Path) -> None:
    assert shipped_spaces.folder() == ROOT / "search_spaces"
    assert shipped_spaces.folder(tmp_path / "automl") == tmp_path / "search_spaces"
    inside = tmp_path / "automl" / "search_spaces"
    inside.mkdir(parents=True)
    assert shipped_spaces.folder(tmp_path / "automl") == inside
