"""The Prometheus metrics of a study: counts by state, queue, losses and epochs, with few labels and over sessions."""

from dataclasses import replace
from pathlib import Path

import pytest

from automl.cluster import metrics
from automl.cluster.metrics import COUNTERS, GAUGES, StudyMetrics, Watched
from automl.study import Ending, Kind, Loss, State, Trial
from tests.builders import METRIC, completed, measurement, trial_of
from tests.guarded_worker import wait_until

FOLDER = Path("trials/x")
Key = tuple[str, frozenset[tuple[str, str]]]


class Recorder:
    """Stands for Ray's Gauge and Counter, and keeps the last value of each series."""

    values: dict[Key, float]

    def __init__(self, name: str, description: str, tag_keys: tuple[str, ...]) -> None:
        assert description.endswith(".")
        self.name, self.labels = name, set(tag_keys)

    def set(self, value: float, tags: dict[str, str]) -> None:
        assert tags.keys() == self.labels
        Recorder.values[self.name.removeprefix(metrics.PREFIX), frozenset(tags.items())] = value

    def inc(self, value: float, tags: dict[str, str]) -> None:
        assert value > 0
        key = self.name.removeprefix(metrics.PREFIX), frozenset(tags.items())
        self.set(Recorder.values.get(key, 0) + value, tags)


@pytest.fixture(autouse=True)
def _recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    Recorder.values = {}
    monkeypatch.setattr(metrics, "Gauge", Recorder)
    monkeypatch.setattr(metrics, "Counter", Recorder)


def value(name: str, **tags: str) -> float | None:
    return Recorder.values.get((name, frozenset({"study": "s", **tags}.items())))


def states(kind: str = "trial") -> dict[str, float | None]:
    found = {str(state): value("trainings", kind=kind, state=str(state)) for state in State}
    return {state: count for state, count in found.items() if count}


def watching(*, kind: str = "trial", asked: int = 10) -> StudyMetrics:
    return StudyMetrics(Watched("s", kind, METRIC, asked, gpus=lambda _trial: 0.5), clock=lambda: 1000.0)


def test_the_life_of_trials_is_counted_by_state() -> None:
    board = watching()
    for number in range(4):
        board.on_start(Trial(number, {}, 0), FOLDER)
        board.on_measurement(trial_of(number, [0.1 * number]))
    board.on_pause(trial_of(1, [0.1]))
    board.on_end(trial_of(2, [0.2]), Ending(final=measurement(2, 0.2)))
    lost = replace(trial_of(3, [0.3]), losses=(Loss(Kind.NODE, "gone"),))
    board.on_loss(lost)
    assert states() == {"RUNNING": 1, "PAUSED": 1, "COMPLETED": 1, "WAITING": 1}
    assert value("trainings_asked", kind="trial") == 10
    assert value("trainings_queued", kind="trial") == 7
    assert value("gpus_reserved", kind="trial") == 0.5
    assert value("worker_losses", kind="trial", cause="node") == 1
    assert value("worker_losses", kind="trial", cause="hung") == 0
    assert value("best_objective_ratio", objective="map50_95") == pytest.approx(0.3)
    assert value("epochs", kind="trial") == 4
    assert value("training_seconds", kind="trial") == 8
    assert value("last_epoch_timestamp_seconds") == 1000


def test_a_resumed_study_counts_the_trials_of_earlier_sessions() -> None:
    board = watching()
    waiting = replace(trial_of(1, [0.2]), losses=(Loss(Kind.WORKER, "died"),))
    board.restore([completed(0, [0.1, 0.4]), waiting, trial_of(2, [0.1])], {1: State.WAITING, 2: State.PAUSED})
    assert states() == {"COMPLETED": 1, "WAITING": 1, "PAUSED": 1}
    assert value("best_objective_ratio", objective="map50_95") == 0.4
    assert value("worker_losses", kind="trial", cause="worker") == 1
    assert value("trainings_queued", kind="trial") == 8
    assert value("epochs", kind="trial") is None


def test_re_trainings_are_another_kind_and_do_not_change_the_best_trial() -> None:
    board = watching(kind="retraining", asked=2)
    board.on_start(Trial(0, {}, 0), FOLDER)
    board.on_measurement(trial_of(0, [0.9]))
    assert states("retraining") == {"RUNNING": 1}
    assert states() == {}
    assert value("best_objective_ratio", objective="map50_95") is None


def test_what_runs_at_the_end_of_a_session_waits() -> None:
    board = watching()
    board.on_start(Trial(0, {}, 0), FOLDER)
    board.close()
    assert states() == {"WAITING": 1}
    assert value("gpus_reserved", kind="trial") == 0


def test_the_number_of_series_does_not_depend_on_the_number_of_trials() -> None:
    board = watching(asked=500)
    board.on_start(Trial(0, {}, 0), FOLDER)
    board.on_measurement(trial_of(0, [0.1]))
    before = {*Recorder.values}
    for number in range(1, 500):
        board.on_start(Trial(number, {}, 0), FOLDER)
        board.on_measurement(trial_of(number, [0.1]))
    assert {*Recorder.values} == before
    assert {name for name, _ in before} == {*GAUGES, *COUNTERS}


def test_gauges_are_set_again_while_ray_is_connected_and_not_after() -> None:
    watching().on_start(Trial(0, {}, 0), FOLDER)
    with metrics.SHOWN.repeated(every=0.01):
        Recorder.values.clear()
        assert wait_until(lambda: value("trainings", kind="trial", state="RUNNING") == 1)
    Recorder.values.clear()
    metrics.SHOWN.repeat()
    assert not Recorder.values
