"""A study folder that an earlier automl left, kept in tests/frozen as it was written, stays readable for ever."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from automl.apps.cli import app
from automl.pipeline.session import claim
from automl.storage.journal import Journal
from automl.storage.place import read_spec
from automl.study import State
from automl.tracking import study_list
from tests.builders import METRIC
from tests.simulated_study import Clock, open_search, saturating, simulate

FROZEN = Path(__file__).parent / "frozen"
FORMATS = sorted(path.name for path in FROZEN.iterdir())


@pytest.fixture(params=FORMATS)
def study(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return a copy of a frozen study: two trials paused at epoch 2, one that ran when its driver was killed."""
    return Path(shutil.copytree(FROZEN / request.param, tmp_path / "runs" / "small"))


def test_a_study_of_an_earlier_format_is_read_as_it_was(study: Path) -> None:
    spec, trials = read_spec(study), Journal.read(study, metric=METRIC).trials()
    assert (spec.name, spec.budget.trials, spec.ladder.rungs) == ("small", 3, (2,))
    assert [(trial.number, trial.epoch, trial.state) for trial in trials] == [
        (0, 2, State.RUNNING), (1, 2, State.RUNNING), (2, 1, State.RUNNING),
    ]  # fmt: skip
    assert trials[0].params == {"lr0": 0.01, "optimizer": "SGD"}
    assert trials[0].best(METRIC) == pytest.approx(0.2678, abs=1e-4)


def test_a_study_of_an_earlier_format_goes_on(study: Path) -> None:
    spec = read_spec(study)
    claim(study, spec)
    source = open_search(study, spec)
    simulate(source, saturating, clock=Clock())
    assert source.finished
    assert {trial.state for trial in source.trials} == {State.COMPLETED, State.PRUNED}
    assert len(source.trials) == 3


def test_a_study_of_an_earlier_format_is_shown_and_listed(study: Path) -> None:
    shown = CliRunner().invoke(app, ["status", str(study)])
    assert shown.exit_code == 0, shown.output
    assert "small" in shown.output
    listed, problems = study_list.listing(study.parents[1])
    assert ([row[0] for row in listed.rows], problems) == (["small"], [])


def test_a_study_of_a_newer_format_is_refused_by_every_reader(study: Path) -> None:
    text = (study / "study.yaml").read_text().replace("format: 1", "format: 2")
    (study / "study.yaml").write_text(text)
    for verb in ("status", "report", "resume"):
        found = CliRunner().invoke(app, [verb, str(study)])
        assert found.exit_code == 2
        assert "study.yaml: format: must be 1 to 1, but got 2: a newer automl wrote it; update" in found.stderr
    _, problems = study_list.listing(study.parents[1])
    assert len(problems) == 1
    assert "a newer automl wrote it" in problems[0]
