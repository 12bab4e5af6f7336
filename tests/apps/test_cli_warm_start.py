"""The warm start at the command line: what `check` and `studies` say, before anything is started."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from automl import cluster
from automl.apps.cli import app
from automl.data import sample
from automl.data.summary import Summary
from automl.pipeline import time_forecast
from automl.pipeline.inputs import summary_at
from automl.pipeline.time_forecast import TimeForecast
from tests.past_studies import past

pytestmark = pytest.mark.yolo
SMOKE = Path(__file__).parents[2] / "search_spaces" / "smoke.yaml"


def automl(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    return result.exit_code, " ".join(result.stdout.split()), " ".join(result.stderr.split())


@pytest.fixture(autouse=True)
def never_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "connected", lambda **_kwargs: pytest.fail("must not start Ray"))


@pytest.fixture(autouse=True)
def nothing_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_forecast, "forecast", lambda _spec, _data: TimeForecast("not measured here"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return sample.draw(tmp_path / "data", splits={"train": 6, "val": 4, "test": 4})


def known(data: Path) -> Summary:
    found = summary_at(str(data))
    assert found is not None
    return found


def test_check_says_what_a_warm_start_brings(tmp_path: Path, data: Path) -> None:
    past(tmp_path)
    arguments = (SMOKE, "--data", data, "--storage", tmp_path)
    code, said, _ = automl("check", *arguments, "--set", "warm_start=[runs/a]")
    assert code == 0
    assert "warm start from runs/a (study a): " in said
    assert "of 10 trials, similarity of data 0." in said
    assert not (tmp_path / "runs" / "smoke").exists()
    assert "warm start from runs/a" in automl("search", "--plan", *arguments, "--set", "warm_start=[runs/a]")[1]
    assert "warm start" not in automl("check", *arguments)[1]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("[runs/none]", "runs/none: must be the folder of a past study"),
        ("runs/a", "warm_start: must be a list, but got 'runs/a'"),
        ("[3]", "warm_start.0: must be text, but got 3"),
        ("[runs/a, runs/a]", "warm_start: must name each study once"),
    ],
)
@pytest.mark.parametrize("verb", ["check", "search"])
def test_a_mistake_in_warm_start_is_one_message(tmp_path: Path, data: Path, verb: str, value: str, said: str) -> None:
    code, _, told = automl(verb, SMOKE, "--data", data, "--storage", tmp_path, "--set", f"warm_start={value}")
    assert (code, said in told) == (2, True), told


def test_studies_lists_the_past_by_similarity(tmp_path: Path, data: Path) -> None:
    past(tmp_path, "first")
    near = past(tmp_path, "near")
    (near / "dataset.json").write_text(json.dumps(known(data).to_dict()))
    broken = past(tmp_path, "broken")
    (broken / "study.yaml").write_text("x: [")

    code, said, told = automl("studies", "--storage", tmp_path)
    assert (code, said.index("first") < said.index("near"), "similarity" in said) == (0, True, False)
    assert "broken/study.yaml: must be YAML" in told
    code, said, _ = automl("studies", "--storage", tmp_path, "--data", data)
    assert (code, said.index("near") < said.index("first"), "1.00" in said) == (0, True, True)


def test_studies_of_bad_data_or_an_empty_storage(tmp_path: Path) -> None:
    code, _, told = automl("studies", "--storage", tmp_path, "--data", tmp_path / "none.yaml")
    assert (code, "none.yaml: must be a readable file" in told) == (2, True)
    code, said, _ = automl("studies", "--storage", tmp_path)
    assert (code, "0 studies" in said) == (0, True)
