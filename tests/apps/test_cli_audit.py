"""`automl audit`: the list in the terminal, the JSON document, and one message without weights."""

import json
from pathlib import Path

from typer.testing import CliRunner

import automl
from automl.apps.cli import app
from automl.storage.layout import BEST
from tests.pipeline.test_audit import study  # noqa: F401  (a fixture)


def run(*words: str) -> tuple[int, str]:
    """Return the exit code and standard output; of a failure, standard error."""
    found = CliRunner().invoke(app, ["audit", *words])
    return found.exit_code, found.stderr if found.exit_code else found.stdout


def test_the_list_names_file_line_reason_and_score(study: automl.Study) -> None:  # noqa: F811
    code, text = run(str(study.folder))
    assert code == 0
    lines = text.splitlines()
    suspects = study.audit().suspects
    first, count = suspects[0], len(suspects)
    assert lines[1] == f"suspect labels: {count} ({count} missed); score: rules, no probability: few labels"
    assert lines[2] == (
        f"  1  {first.score:.2f}  missed: {first.cls}: not found by the models (2 of 2 models)  {first.labels}:1"
    )
    assert len(lines) == 2 + count + 1
    assert lines[-1] == str(study.folder / "audit.html")


def test_the_document_has_all_that_a_labelling_page_needs(study: automl.Study) -> None:  # noqa: F811
    code, text = run(str(study.folder), "--json", "--split", "val", "--models", "1")
    assert code == 0
    plain = json.loads(text)
    assert sorted(plain) == ["folds", "images", "labels", "learned", "models", "names", "source", "study", "suspects"]
    assert sorted(plain["suspects"][0]) == [
        "asked", "box", "cls", "id", "image", "kind", "labels", "line", "models", "score", "split", "suggested_box",
        "suggested_cls",
    ]  # fmt: skip
    assert Path(plain["suspects"][0]["image"]).is_file()


def test_progress_is_on_standard_error(study: automl.Study) -> None:  # noqa: F811
    found = CliRunner().invoke(app, ["audit", str(study.folder), "--models", "1"])
    asked = ["trial 7 predicts 6 images of train", "trial 7 predicts 4 images of val"]
    assert found.stderr.splitlines() == [*asked, "ranking the labels of 10 images by 1 model"]


def test_a_study_without_weights_is_one_message(study: automl.Study) -> None:  # noqa: F811
    for path in study.folder.rglob(BEST):
        path.unlink()
    code, text = run(str(study.folder))
    assert code == 2
    assert text.count("\n") == 1
    assert "must have weights of at least one ended trial" in text
