"""No trial starts that cannot reach its first rung; time is kept for the confirmation; in virtual time."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl.storage.journal import Journal
from automl.study import Kind, Loss, Trial
from automl.study.spec import StudySpec
from automl.trials.budget import EXPORT_SHARE, Spending
from automl.trials.job_clock import Elapsed
from automl.trials.limits import FirstRung, refusal
from automl.trials.manager import TrialManager
from automl.trials.pace import Pace
from tests.builders import METRIC, measurement, spec_of
from tests.simulated_study import Clock, open_search, saturating, simulate

EPOCH = 10.0
SHARED = FirstRung(3, lambda _params: 0.1)


def search_of(**budget: Any) -> StudySpec:
    return spec_of(budget={"trials": 50, **budget}, ladder={"min_epochs": 3, "max_epochs": 9})


def played(folder: Path, spec: StudySpec, *, workers: int = 1, clock: Clock | None = None) -> TrialManager:
    clock = clock or Clock()
    source = open_search(folder, spec, workers=workers, clock=clock)
    simulate(source, saturating, clock=clock, seconds=EPOCH)
    return source


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("limit", [{"hours": 205 / 3600}, {"gpu_hours": 205 / 3600}], ids=["hours", "gpu_hours"])
def test_no_trial_starts_that_cannot_reach_its_first_rung(
    tmp_path: Path, limit: dict[str, float], workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    source = played(tmp_path, search_of(**limit), workers=workers)

    assert source.finished
    assert 3 < len(source.trials) < 50
    assert min(trial.epoch for trial in source.trials) >= 3
    assert sum("no new trial starts: " in message for message in caplog.messages) == 1


def test_before_the_first_epoch_everything_starts_and_the_baseline_always(tmp_path: Path) -> None:
    source = open_search(tmp_path, search_of(hours=1e-5), workers=4)
    assert source.next_job()
    assert source.next_job()


def test_a_structure_has_its_own_pace() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.started(0)
    clock.now = 14.0
    pace.measured(0, {"imgsz": 64}, 10.0)
    pace.add({"imgsz": 640}, 100.0)
    assert pace.seconds({"imgsz": 64, "lr0": 1}, 3) == 4 + 3 * 10
    assert pace.seconds({"imgsz": 640}, 3) == 4 + 3 * 100
    assert pace.epoch({"imgsz": 320}) == 55  # the mean of all


def test_what_running_trials_need_is_taken_off_the_gpu_hours(tmp_path: Path) -> None:
    spec = search_of(gpu_hours=60 / 3600)
    spending = Spending(Journal.create(tmp_path, name="a", metric=METRIC), spec.budget, gpus=1.0, clock=Clock())
    pace = Pace(Clock())
    pace.add({}, EPOCH)
    assert refusal(spending, pace, {}, [Trial(0, {}, 0)], first=FirstRung(3)) == ""
    assert "of training in budget.gpu_hours" in refusal(
        spending, pace, {}, [Trial(0, {}, 0), Trial(1, {}, 1)], first=FirstRung(3)
    )


def test_a_trial_that_shares_a_gpu_needs_its_share_of_the_gpu_hours(tmp_path: Path) -> None:
    spec = search_of(gpu_hours=60 / 3600)
    spending = Spending(Journal.create(tmp_path, name="a", metric=METRIC), spec.budget, gpus=1.0, clock=Clock())
    pace = Pace(Clock())
    pace.add({}, 10 * EPOCH)
    assert refusal(spending, pace, {}, [], first=FirstRung(3))
    assert refusal(spending, pace, {}, [Trial(0, {}, 1)], first=SHARED) == ""
    spending.trained(500.0, gpus=0.1)
    assert refusal(spending, pace, {}, [], first=SHARED)


def test_a_place_without_a_gpu_counts_as_one(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, name="a", metric=METRIC)
    spending = Spending(journal, search_of(gpu_hours=1).budget, gpus=0.0, clock=Clock())
    spending.trained(3600.0)
    assert spending.spent() == "budget.gpu_hours 1 spent"


def test_the_hours_of_the_whole_study_keep_time_for_the_confirmation(tmp_path: Path) -> None:
    clock, total = Clock(), 2000.0
    spec = search_of(total_hours=total / 3600)
    source = open_search(tmp_path, spec, clock=clock)
    source.limits._elapsed = lambda: Elapsed({"start": 50.0, "search": clock.now})
    simulate(source, saturating, clock=clock, seconds=EPOCH)

    confirming = spec.retrainings[0] * 9 * EPOCH
    assert source.finished
    assert clock.now <= total * (1 - EXPORT_SHARE) - confirming + EPOCH
    assert clock.now >= total * (1 - EXPORT_SHARE) - confirming - 50 - 3 * EPOCH


def test_a_raised_budget_lets_trials_start_again(tmp_path: Path) -> None:
    spec = search_of(hours=100 / 3600)
    first = played(tmp_path, spec)
    more = played(tmp_path, search_of(hours=400 / 3600))
    assert len(more.trials) > len(first.trials)


@pytest.mark.parametrize(("losses", "seconds"), [((), 30.0), ((Loss(Kind.MEMORY, "gone", epoch=1),), 50.0)])
def test_epochs_of_an_earlier_session_count_with_the_share_they_were_trained_with(
    tmp_path: Path, losses: tuple[Loss, ...], seconds: float
) -> None:
    """Memory ran out after the first of three epochs: the others had the double of a quarter of a GPU."""
    spec = spec_of(budget={"trials": 4, "gpu_hours": 1.0}, resources={"gpus": 0.25})
    source = open_search(tmp_path, spec, gpus=0.25)
    before = source.limits.spending.gpu_seconds_left()
    epochs = tuple(measurement(epoch, 0.5) for epoch in (1, 2, 3))
    trial = Trial(0, {"lr0": 0.01}, 0, tuple(replace(one, seconds=10.0) for one in epochs), losses=losses)

    source.limits.restore([trial])

    assert before - source.limits.spending.gpu_seconds_left() == pytest.approx(seconds)
    assert source.limits._pace.epoch({}) == 10.0
