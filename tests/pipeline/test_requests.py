"""Requests to a study from another process: what is said with a driver, without one, and for what cannot be done."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from automl.apps.cli import app
from automl.pipeline import requests
from automl.pipeline.session import claim
from automl.storage.place import Place
from automl.study.errors import SpecError, StudyError
from automl.study.load import stored
from automl.tracking import study_status
from automl.trials import commands, heartbeat
from tests.builders import spec_of
from tests.simulated_study import Clock, open_search, saturating, simulate

SPEC = spec_of(budget={"trials": 4})


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Return a study of four trials; all have ended but the first."""
    folder = tmp_path / "runs" / SPEC.name
    folder.mkdir(parents=True)
    claim(folder, SPEC)
    source = open_search(folder, SPEC)
    simulate(source, saturating, clock=Clock(), until=lambda: len(source.trials) == 3)
    return folder


@contextmanager
def driven(folder: Path) -> Iterator[None]:
    """Execute the commands of a study as its driver does."""
    source, over = open_search(folder, SPEC), threading.Event()

    def drive() -> None:
        while not over.wait(0.05):
            source.steering.execute(source, now=True)

    thread = threading.Thread(target=drive)
    with heartbeat.heartbeats(folder, attempt=0, seconds=0.1):
        while heartbeat.read(folder) is None:
            over.wait(0.01)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def test_without_a_driver_a_request_waits_and_is_shown(study: Path) -> None:
    said = requests.enqueue(study, SPEC, {"lr0": 0.05})
    assert said.startswith("lr0=0.05 optimizer=SGD: no driver is running: done when the study is resumed with automl")
    found = study_status.read(study, SPEC)
    assert [entry["params"] for entry in found.enqueued] == [{"lr0": 0.05, "optimizer": "SGD"}]
    assert any(line.endswith(": lr0=0.05 optimizer=SGD") for line in found.messages)
    assert "no driver is running" in requests.cancel(study, 1, metric=SPEC.metric)


def test_in_a_study_whose_search_has_ended_params_wait_for_a_larger_budget(study: Path) -> None:
    simulate(open_search(study, SPEC), saturating, clock=Clock())
    said = requests.enqueue(study, SPEC, {"lr0": 0.05})
    assert said.endswith("waits, since the search has ended; run `automl search` with a larger budget, such as --set "
                         "budget.trials=5")  # fmt: skip


def test_a_driver_answers(study: Path) -> None:
    with driven(study):
        assert requests.cancel(study, 1, metric=SPEC.metric) == "trial 1 is canceled"
        assert requests.enqueue(study, SPEC, {}) == "lr0=0.01 optimizer=SGD is tried next"
        said = requests.extend(Place(study.parents[1]), spec_of(budget={"trials": 9}))
    assert said.endswith("which has the change: budget.trials 4 -> 9")
    assert stored(study / "study.yaml").budget.trials == 9
    assert [change["keys"] for change in study_status.read(study, SPEC).changes] == [{"budget.trials": [4, 9]}]


def test_what_a_driver_refuses_is_an_error(study: Path) -> None:
    with driven(study), pytest.raises(StudyError, match=r"budget\.trials: must be at least 3"):
        requests.extend(Place(study.parents[1]), spec_of(budget={"trials": 1}))


def test_what_cannot_be_done_is_refused_before_it_is_sent(study: Path) -> None:
    with pytest.raises(StudyError, match="trial 9: must have begun, but trials 0 to 2 have begun"):
        requests.cancel(study, 9, metric=SPEC.metric)
    with pytest.raises(SpecError, match="lr0: must be a number from"):
        requests.enqueue(study, SPEC, {"lr0": 9})
    with pytest.raises(StudyError, match=r"seed: 0 there, 1 here"):
        requests.extend(Place(study.parents[1]), spec_of(seed=1))
    assert requests.extend(Place(study.parents[1]), SPEC) == ""
    assert commands.waiting(study) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["cancel", "small", "0"], 2, "trial 0: must not be canceled: it is the baseline"),
        (["enqueue", "small", "lr0"], 2, "lr0: must be NAME=VALUE, such as lr0=0.01"),
        (["enqueue", "small", "optimizer=AdamW"], 0, "lr0=0.01 optimizer=AdamW: no driver is running"),
    ],
)
def test_the_verbs(study: Path, words: list[str], code: int, said: str) -> None:
    found = CliRunner().invoke(app, [*words, "--storage", str(study.parents[1])])
    assert found.exit_code == code
    assert said in found.output + found.stderr
