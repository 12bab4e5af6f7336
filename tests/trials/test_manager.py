"""The laws of a study, in virtual time; those of pausing are in test_manager_pauses.py."""

import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from automl.hpo.asha import KINDS
from automl.hpo.selection import best_trial
from automl.storage.journal import Journal
from automl.study import Answer, Ending, EndReason, Job, State
from automl.study.errors import StudyError
from automl.study.spec import StudySpec
from tests.builders import METRIC, completed, failed, measurement, pruned, spec_of
from tests.simulated_study import Clock, open_search, saturating, simulate

KIND = pytest.mark.parametrize("kind", KINDS)


def search_of(kind: str, *, trials: int = 12, **budget: Any) -> StudySpec:
    ladder = {"min_epochs": 3, "max_epochs": 9, "scheduler": kind}
    return spec_of(budget={"trials": trials, **budget}, ladder=ladder)


SPEC = search_of("stopping")


def test_the_default_params_are_trial_0(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)

    simulate(source, saturating, clock=Clock())

    assert source.trials[0].params == SPEC.search_space.defaults()


def test_a_study_ends_when_another_hour_is_expected_to_gain_too_little(tmp_path: Path) -> None:
    source = open_search(tmp_path, search_of("promotion", trials=40, min_gain_per_hour=0.9))

    simulate(source, saturating, clock=Clock())

    assert source.finished
    assert len(source.trials) < 40
    assert any(trial.state is State.COMPLETED for trial in source.trials)
    gain = [trial.ending for trial in source.trials if trial.ending and trial.ending.reason is EndReason.GAIN]
    assert gain
    assert all("below budget.min_gain_per_hour 0.9" in ending.pruned for ending in gain)
    again = open_search(tmp_path, search_of("promotion", trials=40, min_gain_per_hour=0.9))
    assert again.over


@KIND
def test_a_study_ends_with_all_its_trials(tmp_path: Path, kind: str) -> None:
    source = open_search(tmp_path, search_of(kind), workers=3)

    simulate(source, saturating, clock=Clock())

    assert source.finished
    assert [trial.number for trial in source.trials] == list(range(12))
    assert {trial.state for trial in source.trials} == {State.COMPLETED, State.PRUNED}


@KIND
def test_optunas_own_reader_sees_pruned_trials_with_their_values(tmp_path: Path, kind: str) -> None:
    source = open_search(tmp_path, search_of(kind))
    simulate(source, saturating, clock=Clock())

    storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
    study = optuna.load_study(study_name=SPEC.name, storage=storage)

    states = {trial.number: trial.state for trial in study.trials}
    stopped = [trial for trial in source.trials if trial.state is State.PRUNED]
    assert stopped
    for trial in stopped:
        assert states[trial.number] is TrialState.PRUNED
        kept = study.trials[trial.number].intermediate_values
        assert kept == {m.epoch: m.metrics[METRIC] for m in trial.measurements if METRIC in m.metrics}
    assert study.trials[0].params == dict(SPEC.search_space.defaults())
    assert [trial.user_attrs["seed"] for trial in study.trials] == list(range(12))


def test_a_trial_is_never_stopped_at_its_last_epoch(tmp_path: Path) -> None:
    spec = spec_of(budget={"trials": 6, "hours": 0.01}, ladder={"min_epochs": 4, "max_epochs": 4})
    source = open_search(tmp_path, spec)

    simulate(source, lambda _job, _epoch: 0.0, clock=(clock := Clock()), seconds=0.1)

    assert clock.now > 0
    assert {trial.state for trial in source.trials} == {State.COMPLETED}


@KIND
def test_a_row_of_zeros_does_not_pass_as_a_whole(tmp_path: Path, kind: str) -> None:
    source = open_search(tmp_path, search_of(kind))

    simulate(source, lambda _job, _epoch: 0.0, clock=Clock())

    completed_trials = [trial for trial in source.trials if trial.state is State.COMPLETED]
    assert len(completed_trials) <= len(source.trials) // 2


@KIND
@pytest.mark.parametrize("limit", ["hours", "gpu_hours"])
def test_a_spent_budget_stops_running_trials_and_starts_no_more(tmp_path: Path, kind: str, limit: str) -> None:
    clock = Clock()
    source = open_search(tmp_path, search_of(kind, trials=50, **{limit: 0.02}), workers=2, clock=clock)

    simulate(source, saturating, clock=clock)

    reasons = [trial.ending.text for trial in source.trials if trial.ending]
    assert len(reasons) == len(source.trials) < 50
    assert source.finished
    assert any(f"budget.{limit} 0.02 spent" in reason for reason in reasons)
    assert clock.now <= 0.02 * 3600 + 10


def test_time_of_an_earlier_session_counts_into_the_budget(tmp_path: Path) -> None:
    spec = search_of("stopping", trials=50, hours=0.05)
    clock = Clock()
    first = open_search(tmp_path, spec, clock=clock)
    simulate(first, saturating, clock=clock, until=lambda: clock.now > 100)

    killed = open_search(tmp_path, spec, clock=Clock())
    first.close()
    orderly = open_search(tmp_path, spec, clock=Clock())

    assert clock.now - 60 <= killed.limits.spending.seconds() <= clock.now
    assert orderly.limits.spending.seconds() == pytest.approx(clock.now)


@pytest.mark.slow
@KIND
def test_a_resumed_study_suggests_what_the_uninterrupted_one_would(tmp_path: Path, kind: str) -> None:
    spec = search_of(kind)
    whole = open_search(tmp_path / "whole", spec)
    simulate(whole, saturating, clock=Clock())

    broken = open_search(tmp_path / "broken", spec)
    simulate(broken, saturating, clock=Clock(), until=lambda: len(broken.trials) > 9)
    resumed = open_search(tmp_path / "broken", spec)
    simulate(resumed, saturating, clock=Clock())

    assert [trial.params for trial in resumed.trials] == [trial.params for trial in whole.trials]
    assert [trial.ending for trial in resumed.trials] == [trial.ending for trial in whole.trials]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a study that ended, one of each kind of ladder."""

    @cache
    def folder_of(kind: str) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        simulate(open_search(folder, search_of(kind), workers=2), saturating, clock=Clock())
        return folder

    return folder_of


@pytest.mark.slow
@KIND
@pytest.mark.parametrize("share", [0.03, 0.2, 0.5, 0.77, 0.99])
def test_a_study_cut_at_any_byte_goes_on_and_runs_no_trial_twice(
    tmp_path: Path, searched: Callable[[str], Path], kind: str, share: float
) -> None:
    spec = search_of(kind)
    shutil.copytree(searched(kind), tmp_path, dirs_exist_ok=True)
    path = tmp_path / "journal.log"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    ended_before = {t.number for t in Journal.read(tmp_path, metric=METRIC).trials() if t.ending}

    resumed = open_search(tmp_path, spec, workers=2)
    handed = simulate(resumed, saturating, clock=Clock())

    assert resumed.finished
    assert [trial.number for trial in resumed.trials] == list(range(12))
    assert not ended_before & {job.number for job in handed}
    for trial in resumed.trials:
        assert [m.epoch for m in trial.measurements] == list(range(1, trial.epoch + 1))


@pytest.mark.slow
def test_every_resume_knows_the_standings_at_the_rungs(tmp_path: Path) -> None:
    simulate(open_search(tmp_path, SPEC), saturating, clock=Clock())
    late = open_search(tmp_path, search_of("stopping", trials=13))

    simulate(late, lambda _job, _epoch: 1e-9, clock=Clock())

    ending = late.trials[12].ending
    assert ending is not None
    assert "rank 13 of 13" in ending.text


def test_failures_from_the_start_end_a_study_and_name_the_cause(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC, workers=2)
    started = 0
    while job := source.next_job():
        started += 1
        source.ended(job.number, Ending(cause="loss is not finite at epoch 1: train/box_loss"))

    assert started == 5
    assert "box_loss" in source.aborted
    assert source.over


def test_trials_that_learn_keep_a_study_alive_whatever_fails_first(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC, workers=12)
    jobs = [source.next_job() for _ in range(12)]
    source.measured(11, measurement(1, 0.5), node="a")
    for job in jobs[:8]:
        assert job is not None
        source.ended(job.number, Ending(cause="out of memory: batch 16 did not fit and was halved to 8"))

    assert not source.aborted


def test_a_measurement_after_the_end_changes_nothing(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)
    job = source.next_job()
    assert job is not None
    source.measured(job.number, measurement(1, 0.1), node="a")
    source.ended(job.number, Ending(cause="worker lost"))

    assert source.measured(job.number, measurement(2, 0.9), node="b") is Answer.STOP
    assert Journal.read(tmp_path, metric=METRIC).trials()[0].epoch == 1


def test_a_repeated_measurement_is_recorded_once(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)
    job = source.next_job()
    assert job is not None
    for value in (0.1, 0.7):
        assert source.measured(job.number, measurement(1, value), node="a") is Answer.CONTINUE

    assert [m.metrics[METRIC] for m in source.trials[0].measurements] == [0.1]


def test_a_pruned_trial_never_becomes_the_best_where_one_completed() -> None:
    assert best_trial([completed(0, [0.1, 0.2]), pruned(1, [0.9])], METRIC).number == 0


def test_where_the_budget_ended_all_trials_the_longest_trained_best_one_is_confirmed() -> None:
    assert best_trial([pruned(0, [0.1, 0.2]), pruned(1, [0.9]), pruned(2, [0.2, 0.3])], METRIC).number == 2


def test_without_a_single_epoch_there_is_no_best_trial() -> None:
    with pytest.raises(StudyError, match=r"no trial completed an epoch.*out of memory"):
        best_trial([failed(0)], METRIC)


def test_the_log_alone_says_why_a_trial_was_pruned(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)
    simulate(source, saturating, clock=Clock())
    stopped = next(trial for trial in source.trials if trial.state is State.PRUNED)

    log = (tmp_path / "study.log").read_text()

    line = next(line for line in log.splitlines() if f"trial {stopped.number} pruned" in line)
    assert f"at epoch {stopped.epoch}: {stopped.best(METRIC):.4f}, " in line
    assert re.search(r"pruned at epoch 3: 0\.\d{4}, rank \d+ of \d+, top \d+ from 0\.\d{4}$", line)


@pytest.mark.slow
@KIND
def test_trials_that_learn_well_are_found_more_often_than_by_chance(tmp_path: Path, kind: str) -> None:
    source = open_search(tmp_path, search_of(kind, trials=24))

    simulate(source, saturating, clock=Clock())

    def height(trials: list[Job]) -> float:
        return mean(saturating(job, 9) for job in trials)

    jobs = [source.job(trial) for trial in source.trials]
    assert height(jobs[16:]) > height(jobs[1:7])


def test_the_default_params_are_never_stopped_at_a_rung(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC, workers=3)

    simulate(source, lambda job, epoch: 0.0 if job.number == 0 else saturating(job, epoch), clock=Clock())

    assert source.trials[0].state is State.COMPLETED
