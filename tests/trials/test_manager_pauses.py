"""A study whose trials pause at rungs: what a pause keeps, who goes on, and how the rest end."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl.storage.journal import Journal
from automl.study import Answer, Ending, Job, State
from automl.tracking import status
from automl.tracking.tensorboard_writer import Board
from automl.trials.job_clock import Elapsed
from automl.trials.manager import TrialManager
from tests.builders import METRIC, measurement, spec_of
from tests.simulated_study import Clock, open_search, saturating, simulate

SPEC = spec_of(budget={"trials": 12}, ladder={"min_epochs": 1, "max_epochs": 6, "reduction_factor": 2})
"""Rungs at epochs 1 and 2: six of twelve go on from the first, three from the second."""
ANY_MOMENT = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rising(job: Job, epoch: int) -> float:
    """A curve that is told apart from its first epoch on."""
    return 0.1 * epoch + saturating(job, 9) / 20


def heard(source: TrialManager) -> list[tuple[int, int]]:
    """Have a source write down each epoch that is trained, as (trial, epoch)."""
    told: list[tuple[int, int]] = []
    journal = source.journal.measured

    def measured(number: int, *given: object, **named: object) -> None:
        told.append((number, given[0].epoch))  # type: ignore[attr-defined]
        journal(number, *given, **named)  # type: ignore[arg-type]

    source.journal.measured = measured  # type: ignore[method-assign]
    return told


def job_of(source: TrialManager) -> Job:
    job = source.next_job()
    assert job is not None
    return job


def paused_at(source: TrialManager, value: float, *, epoch: int = 1) -> int:
    """Let a source's next trial reach a rung where it pauses."""
    number = job_of(source).number
    assert source.measured(number, measurement(epoch, value), node="a") is Answer.PAUSE
    return number


def test_a_study_too_small_for_its_ladder_completes_its_best_trial(tmp_path: Path) -> None:
    spec = spec_of(budget={"trials": 4}, ladder={"min_epochs": 1, "max_epochs": 6, "reduction_factor": 3})
    source = open_search(tmp_path, spec)

    simulate(source, rising, clock=Clock())

    completed = [trial for trial in source.trials if trial.state is State.COMPLETED]
    assert [trial.number for trial in completed] == [
        max(source.trials, key=lambda trial: trial.best(METRIC) or 0).number
    ]
    assert source.finished


@pytest.mark.parametrize("workers", [1, 3, 20])
def test_the_budget_of_trials_is_used_exactly_and_every_trial_ends(tmp_path: Path, workers: int) -> None:
    source = open_search(tmp_path, SPEC, workers=workers)

    simulate(source, rising, clock=Clock())

    assert source.finished
    assert [trial.number for trial in source.trials] == list(range(12))
    states = Counter(trial.state for trial in source.trials)
    assert states[State.COMPLETED] >= 3
    assert states[State.COMPLETED] + states[State.PRUNED] == 12
    assert all(trial.epoch in SPEC.ladder.rungs for trial in source.trials if trial.state is State.PRUNED)


def test_a_trial_that_advanced_was_among_the_best_and_others_end_with_the_reason(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)

    simulate(source, rising, clock=Clock())

    for rung in SPEC.ladder.rungs:
        stood = [trial for trial in source.trials if trial.epoch >= rung]
        best = sorted(stood, key=lambda trial: -(trial.best(METRIC, until=rung) or 0.0))
        went = {trial.number for trial in stood if trial.epoch > rung}
        assert {trial.number for trial in best[: len(stood) // 2]} <= went
        reasons = {trial.ending.text for trial in stood if trial.ending and trial.epoch == rung}
        assert reasons == {"not among those that advanced"}


def test_no_epoch_is_trained_twice_and_none_is_left_out(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC, workers=2)
    told = heard(source)

    handed = simulate(source, rising, clock=Clock())

    assert sorted(told) == [(trial.number, m.epoch) for trial in source.trials for m in trial.measurements]
    assert max(Counter(job.number for job in handed).values()) >= 2, "some trial was paused and went on"
    for trial in source.trials:
        assert [m.epoch for m in trial.measurements] == list(range(1, trial.epoch + 1))


def test_a_paused_trial_keeps_no_place(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)
    assert job_of(source).number == 0
    assert source.next_job() is None
    assert source.measured(0, measurement(1, 0.5), node="a") is Answer.PAUSE
    assert job_of(source).number == 1


def test_a_paused_trial_goes_on_before_a_new_one_begins(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)
    assert [paused_at(source, 0.5), paused_at(source, 0.4)] == [0, 1]

    again = job_of(source)

    assert again.number == 0
    assert source.measured(0, measurement(1, 0.5), node="a") is Answer.CONTINUE
    assert source.measured(0, measurement(2, 0.6), node="a") is Answer.PAUSE
    assert job_of(source).number == 2


def test_a_worker_that_did_not_hear_of_its_pause_is_told_again(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)
    paused_at(source, 0.5)
    for epoch in (1, 2):
        assert source.measured(0, measurement(epoch, 0.9), node="a") is Answer.PAUSE
    assert source.trials[0].epoch == 1


def test_a_paused_trial_whose_worker_fails_ends_and_never_goes_on(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)
    paused_at(source, 0.5)
    source.ended(0, Ending(cause="worker lost: node died"))
    paused_at(source, 0.4)
    assert [job_of(source).number, source.trials[0].state] == [2, State.FAILED]


def test_the_default_params_may_pause_and_be_left_behind(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)

    simulate(source, lambda job, epoch: 0.0 if job.number == 0 else rising(job, epoch), clock=Clock())

    assert (source.trials[0].state, source.trials[0].epoch) == (State.PRUNED, 1)


def test_a_study_that_waits_for_its_running_trials_is_not_over(tmp_path: Path) -> None:
    source = open_search(tmp_path, spec_of(**{**SPEC.model_dump(), "budget": {"trials": 3}}), workers=3)
    for _ in range(3):
        job_of(source)
    assert source.measured(0, measurement(1, 0.5), node="a") is Answer.PAUSE
    assert (source.next_job(), source.over) == (None, False)
    source.ended(2, Ending(cause="out of memory"))
    assert source.measured(1, measurement(1, 0.4), node="a") is Answer.PAUSE
    assert not source.over, "none runs, but trial 0 may go on"
    assert job_of(source).number == 0
    source.ended(0, Ending(final=measurement(6, 0.5)))
    assert (source.over, source.finished) == (True, False)
    source.finish()
    assert source.finished
    assert [trial.state for trial in source.trials] == [State.COMPLETED, State.PRUNED, State.FAILED]


class Whole:
    """A journal; its bytes are not in the repr, which Hypothesis makes for each example."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __repr__(self) -> str:
        return f"Whole({len(self.content)} bytes)"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The journal of a study that was never killed."""
    folder = tmp_path_factory.mktemp("whole")
    simulate(open_search(folder, SPEC, workers=2), rising, clock=Clock())
    return Whole((folder / "journal.log").read_bytes())


@pytest.mark.slow
@ANY_MOMENT
@given(share=st.floats(0, 1), again=st.floats(0, 1))
def test_a_study_killed_at_any_moment_goes_on_where_it_stood(
    tmp_path_factory: pytest.TempPathFactory, whole: Whole, share: float, again: float
) -> None:
    folder = tmp_path_factory.mktemp("study")
    path, content = folder / "journal.log", whole.content
    for part in (share, again):
        # A kill never empties a journal beside trials: their folders are made after its first lines.
        least = content.index(b"\n") + 1 if (folder / "trials").exists() else 0
        path.write_bytes(content[: max(round(len(content) * part), least)])
        before = Journal.read(folder, metric=METRIC).trials()

        resumed = open_search(folder, SPEC, workers=2)
        known = {(trial.number, m.epoch) for trial in before for m in trial.measurements}
        told = heard(resumed)
        handed = simulate(resumed, rising, clock=Clock())

        assert resumed.finished
        assert len(told) == len(set(told))
        assert not known & set(told)
        assert not {trial.number for trial in before if trial.ending} & {job.number for job in handed}
        assert [trial.number for trial in resumed.trials] == list(range(12))
        assert [trial.params for trial in resumed.trials[: len(before)]] == [trial.params for trial in before]
        assert Journal.read(folder, metric=METRIC).trials() == resumed.trials
        content = path.read_bytes()


def test_paused_trials_are_known_again_and_take_no_place(tmp_path: Path) -> None:
    first = open_search(tmp_path, SPEC, workers=2)
    simulate(first, rising, clock=Clock(), until=lambda: len(first.trials) > 8)
    paused = {row[0] for row in first.view().rows if row[1] == "PAUSED"}
    assert len(paused) >= 3

    second = open_search(tmp_path, SPEC, workers=2)

    assert {row[0] for row in second.view().rows if row[1] == "PAUSED"} >= paused
    handed = simulate(second, rising, clock=Clock())
    assert second.finished
    began = [job.number for job in handed[:2]]
    assert set(map(str, began)).isdisjoint(paused), "those that ran come first"


def test_trials_paused_in_an_earlier_session_end_though_they_never_ran_in_this_one(tmp_path: Path) -> None:
    spec = spec_of(**{**SPEC.model_dump(), "budget": {"trials": 1, "hours": 0.001}})
    early = open_search(tmp_path, spec)
    paused_at(early, 0.5)
    early.journal.note("seconds", 3.6)  # all of the budget

    late = open_search(tmp_path, spec)
    assert (late.over, late.finished) == (True, False)
    late.finish()
    late.finish()
    late.close()

    assert late.finished
    assert Journal.read(tmp_path, metric=METRIC).trials() == late.trials
    assert next((tmp_path / "trials").glob("*/outcome.json")).is_file()


@pytest.mark.parametrize("limit", ["hours", "gpu_hours"])
def test_a_spent_budget_ends_the_paused_trials_too_and_says_so(tmp_path: Path, limit: str) -> None:
    clock = Clock()
    spec = spec_of(**{**SPEC.model_dump(), "budget": {"trials": 50, limit: 0.02}})
    source = open_search(tmp_path, spec, clock=clock)

    simulate(source, rising, clock=clock)

    assert source.finished
    ended = [trial for trial in source.trials if trial.state is State.PRUNED]
    assert len(ended) >= 3
    assert {trial.ending.text.split(", ")[-1] for trial in ended if trial.ending} == {f"budget.{limit} 0.02 spent"}


def test_a_paused_trial_is_shown_as_such_here_and_in_another_process(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC, workers=2)
    jobs = [job_of(source), job_of(source)]
    source.measured(jobs[0].number, measurement(1, 0.5), node="a")

    trials = Journal.read(tmp_path, metric=METRIC).trials()
    other = status.of_trials(SPEC, trials, elapsed=Elapsed.of_search(source.limits.spending.seconds(), 2))

    assert source.view() == other
    assert [(row[1], row[-1]) for row in other.rows] == [("PAUSED", ""), ("RUNNING", "")]


def test_files_are_held_open_for_running_trials_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_search(tmp_path, SPEC, workers=2)
    most = 0
    board = source.listeners.registered[0]
    assert isinstance(board, Board)
    start: Callable[..., None] = board.on_start

    def counted(*given: object) -> None:
        nonlocal most
        start(*given)
        most = max(most, len(board._files))

    monkeypatch.setattr(board, "on_start", counted)
    simulate(source, rising, clock=Clock())
    assert most == 2
    assert not board._files
