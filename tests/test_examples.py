"""The script and the notebook in `examples/` run as they stand, one after the other on one storage."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import automl

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOK = EXAMPLES / "first_study.ipynb"
MOST_LINES = 20


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")


def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return found


def test_the_script_is_short() -> None:
    assert len((EXAMPLES / "first_study.py").read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_the_notebook_has_the_fields_of_its_format_and_no_outputs() -> None:
    document = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in cells()}) == len(cells())
    assert {tuple(sorted(cell)) for cell in cells()} == {
        ("cell_type", "id", "metadata", "source"),
        ("cell_type", "execution_count", "id", "metadata", "outputs", "source"),
    }
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells())


@pytest.mark.ray
@pytest.mark.yolo
@pytest.mark.timeout(900)
def test_the_script_ends_with_a_verdict(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_STORAGE", str(storage))
    found = subprocess.run(
        [sys.executable, str(EXAMPLES / "first_study.py")], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "\nbest trial: {'number': " in found.stdout
    score = re.search(r"\nships: .* map50_95 ([\d.]+) ", found.stdout)
    assert score, found.stdout
    assert f"\npromoted: {float(score[1]) > 0} as version 1\n" in found.stdout, "a model that finds nothing is refused"


@pytest.mark.ray
@pytest.mark.yolo
@pytest.mark.timeout(900)
def test_the_notebook_runs_cell_by_cell(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_STORAGE", str(storage))
    monkeypatch.chdir(EXAMPLES)
    names: dict[str, Any] = {}
    for cell in cells():
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"cell {cell['id']}", "exec"), names)
    assert "\ntime: about " in str(names["preview"]), "the batches of an epoch were measured"
    assert isinstance(names["study"], automl.Study)
    assert len(names["trials"]) == 3
    assert names["registry"].verify().problems == ()
