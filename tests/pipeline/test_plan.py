"""The plan of a study, recorded at the first rung of the baseline, and what is said of it at the end."""

from pathlib import Path

from automl.pipeline.plan import NOTE, Planner, hours_of, no_time, outcome
from automl.storage.journal import Journal
from automl.trials.job_clock import Elapsed
from tests.builders import METRIC, completed, pruned, spec_of, trial_of

SPEC = spec_of(confirm={"seeds": 2})
"""Four trials, compared at epoch 2 of 6: 12 to 24 epochs, about 16."""


def test_the_plan_is_recorded_once_when_the_baseline_reaches_its_first_rung(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, name="small", metric=METRIC)
    planner = Planner(journal, SPEC, 2, lambda: Elapsed({"search": 10.0}))
    for trial in (trial_of(0, [0.1]), trial_of(1, [0.1, 0.2])):
        planner.on_measurement(trial)
    assert NOTE not in journal.notes()
    planner.on_measurement(trial_of(0, [0.1, 0.2]))
    assert journal.notes()[NOTE] == {"seconds": [30.0, 40.0, 60.0]}


def test_a_plan_ends_at_its_limits_and_is_no_shorter_than_a_training() -> None:
    assert hours_of(spec_of(budget={"trials": 4, "hours": 0.01}), 5.0, 1) == (36, 36, 36)
    assert hours_of(SPEC, 5.0, 100) == (30, 30, 30)


def test_the_end_says_how_the_plan_compared() -> None:
    trials = [completed(0, [0.1] * 6), pruned(1, [0.1, 0.1])]
    elapsed = Elapsed({"search": 61.0}, retrained=4)
    notes = {NOTE: {"seconds": [30.0, 40.0, 60.0]}}
    assert outcome(SPEC, trials, notes, elapsed) == [
        "plan: 12 to 24 epochs of search, about 16, and 4 re-trainings; trained 8 epochs and 4 re-trainings",
        "plan of the search by its first 2 epochs, before any change of the budget: 30s to 1m00s, about 40s; it took "
        "1m01s",
    ]


def test_a_round_of_the_confirmation_starts_only_within_the_time() -> None:
    spec = spec_of(budget={"trials": 4, "total_hours": 100 / 3600})
    trials = [completed(0, [0.1] * 6)]  # 12 s
    assert no_time(spec, Elapsed({"search": 60.0}, places=2), trials, 4) == ""
    assert "4 re-trainings need 24s" in no_time(spec, Elapsed({"search": 80.0}, places=2), trials, 4)
