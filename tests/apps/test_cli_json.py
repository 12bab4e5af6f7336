"""`--json`: one JSON document on standard output with the facts that the text shows, and nothing else there."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from automl.apps.cli import app
from automl.data import sample
from automl.pipeline import time_forecast
from automl.pipeline.time_forecast import TimeForecast
from automl.tracking.diagnosis import findings_file
from automl.tracking.diagnosis.finding import Finding
from tests.builders import spec_of
from tests.past_studies import past, promoted

SMOKE = Path(__file__).parents[2] / "search_spaces" / "smoke.yaml"


def document(*arguments: object, code: int = 0) -> Any:
    """Return what a verb prints with `--json`; a number that is not finite would not be JSON."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == code, result.output

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    return json.loads(result.stdout, parse_constant=refuse)


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return promoted(tmp_path, past(tmp_path, trials=[]), spec_of(name="a"))


def test_status_prints_the_record_with_its_trials(tmp_path: Path) -> None:
    found = document("status", past(tmp_path))
    assert (found["name"], found["ended"], found["running"], found["verdict"]) == ("a", 10, False, None)
    assert found["trials"][7]["value"] == 0.7
    assert found["trials"][7]["params_lr0"] == 0.03
    assert "table" not in found


def test_status_prints_the_findings(tmp_path: Path) -> None:
    folder = past(tmp_path)
    trial = next((folder / "trials").glob("0007_*"), folder / "trials" / "0007_tiny_sgd_lr3e-2")
    trial.mkdir(parents=True, exist_ok=True)
    finding = Finding("plateau", "trial 7", 5, "flat", "more epochs", {"gain": 0.01})
    findings_file.write(trial, [finding])
    assert finding.to_dict() in document("status", folder)["findings"]
    lines = CliRunner().invoke(app, ["status", str(folder)]).stdout.splitlines()
    assert "  trial 7, epoch 5: plateau: flat; more epochs" in lines[lines.index("findings:") :]


def test_studies_prints_each_study_and_each_problem(tmp_path: Path) -> None:
    past(tmp_path, "first")
    (past(tmp_path, "broken") / "study.yaml").write_text("x: [")
    found = document("studies", "--storage", tmp_path)
    assert [(study["name"], study["ended"], study["similarity"]) for study in found["studies"]] == [("first", 10, None)]
    assert "broken/study.yaml: must be YAML" in found["problems"][0]


def test_promote_prints_the_champion_and_history_the_moves(registry: Path) -> None:
    assert document("promote", registry, "--version", "1", "--why", "x") == {
        "name": "boards", "version": 1, "target": "", "aliases": {"challenger": 1, "champion": 1},
    }  # fmt: skip
    moves = document("history", registry)
    assert [(move["moves"], move["why"]) for move in moves] == [
        ({"challenger": 1}, "version 1 published"),
        ({"champion": 1}, "test"),
    ]


def test_history_shows_the_moves_as_text_as_well(registry: Path) -> None:
    found = CliRunner().invoke(app, ["history", str(registry)])
    assert [line.split(" ", 2)[2] for line in found.stdout.splitlines()] == [
        "challenger 1: version 1 published",
        "champion 1: test",
    ]


def test_verify_prints_problems_and_ends_as_a_mistake(registry: Path) -> None:
    assert document("verify", registry)["problems"] == []
    added = registry / "versions" / "0001" / "added.txt"
    added.write_text("x")
    assert document("verify", registry, code=2)["problems"] == [f"{added}: was added later"]


@pytest.mark.yolo
def test_check_prints_the_preview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_forecast, "forecast", lambda _spec, _data: TimeForecast("not measured here"))
    data = sample.draw(tmp_path / "data", splits={"train": 6, "val": 4, "test": 4})
    page = tmp_path / "page.html"
    found = document("check", SMOKE, "--data", data, "--storage", tmp_path, "--report", page)
    assert (found["data_report"]["grade"], found["data_report"]["imgsz"], found["page"]) == ("C", 128, str(page))
    assert "Suspicious labels" in page.read_text()
    assert found["splits"]["train"]["images"] == 6
    assert found["cost"] == {"trials": 16, "fewest": 102, "most": 192, "expected": 132, "confirming": 48}
    assert (found["rungs"], found["confirm_epochs"], found["hours"]) == ([6], [48, 48], 1.0)
    assert found["baseline"]["params"]["optimizer"] == "auto"
    assert found["time"]["problem"] == "not measured here"
    assert 0 < found["disk"]["kept"] < found["disk"]["running"] < found["disk"]["free"]


def test_verify_prints_what_it_left_out_and_names_damaged_aliases_once(registry: Path) -> None:
    (registry / "versions" / "0002").mkdir()
    found = CliRunner().invoke(app, ["verify", str(registry)])
    assert found.exit_code == 0, found.output
    assert f"note: {registry}/versions/0002: is no version and is left out\n" in found.stdout
    (registry / "aliases.json").unlink()
    for words in (["verify"], ["promote", "--version", "1", "--why", "x"], ["rollback", "--why", "x"]):
        found = CliRunner().invoke(app, [words[0], str(registry), *words[1:]])
        assert found.exit_code == 2, found.output
        assert found.stderr.count("aliases.json: must be readable JSON, but No such file or directory; restore it") == 1


def test_a_page_that_would_replace_another_file_is_refused_before_the_check(tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("mine")
    arguments = ["check", str(SMOKE), "--storage", str(tmp_path), "--report", str(tmp_path / "mine.html")]
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 2, found.output
    assert "mine.html: must be a new file or an earlier data report, but exists" in found.stderr
    assert (tmp_path / "mine.html").read_text() == "mine"
