"""Listeners of trials and re-trainings: each event reaches all of them, a lost worker before what follows from it."""

from pathlib import Path

from automl.study import Ending, Kind, Loss, State, Trial
from automl.trials.listener import Listeners
from tests.builders import METRIC, measurement, spec_of
from tests.simulated_study import open_search
from tests.trials.test_retrainings import Ends, retrainings


class Recorder:
    """A listener that keeps the names of events with number, epoch and losses."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int, int, int]] = []

    def add(self, name: str, trial: Trial) -> None:
        self.events.append((name, trial.number, trial.epoch, trial.retries))

    def on_start(self, trial: Trial, folder: Path) -> None:
        assert folder.name
        self.add("start", trial)

    def on_measurement(self, trial: Trial) -> None:
        assert METRIC in trial.measurements[-1].metrics
        self.add("measurement", trial)

    def on_pause(self, trial: Trial) -> None:
        self.add("pause", trial)

    def on_loss(self, trial: Trial) -> None:
        self.add("loss", trial)

    def on_end(self, trial: Trial, ending: Ending) -> None:
        assert ending.state is State.FAILED
        self.add("end", trial)

    def close(self) -> None:
        self.events.append(("close", 0, 0, 0))


def test_a_lost_worker_of_a_trial_is_an_event_of_all_listeners(tmp_path: Path) -> None:
    first, second = Recorder(), Recorder()
    manager = open_search(tmp_path, spec_of(resources={"own_retries": 1}))
    manager.listeners = Listeners((first, second))
    manager.next_job()
    manager.measured(0, measurement(1, 0.1), node="n")
    manager.lost(0, Loss(Kind.NODE, "gone"))
    manager.next_job()
    for _ in range(2):
        manager.ended(0, Ending(cause="broken", again=True))
    manager.close()
    assert first.events == second.events
    assert first.events == [
        ("start", 0, 0, 0), ("measurement", 0, 1, 0), ("loss", 0, 1, 1), ("start", 0, 1, 1), ("loss", 0, 1, 2),
        ("loss", 0, 1, 3), ("end", 0, 1, 3), ("close", 0, 0, 0),
    ]  # fmt: skip


def test_a_lost_worker_of_a_re_training_is_one_too(tmp_path: Path) -> None:
    source, recorder = retrainings(tmp_path, Ends()), Recorder()
    source.listeners = Listeners((recorder,))
    source.next_job()
    source.measured(0, measurement(1, 0.1), node="n")
    source.lost(0, Loss(Kind.HUNG, "silent"))
    source.lost(0, Loss(Kind.NODE, "gone"))
    assert recorder.events == [("start", 0, 0, 0), ("measurement", 0, 1, 0), ("loss", 0, 1, 1), ("loss", 0, 1, 2)]
