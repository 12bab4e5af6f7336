"""What a study does when trials lose their workers, fail by chance or are not trained as asked; in virtual time."""

from dataclasses import replace
from pathlib import Path

import pytest

from automl.hpo.selection import best_trial
from automl.storage.journal import Journal
from automl.study import Answer, Ending, EndReason, Kind, Loss, State
from automl.study.errors import StudyError
from automl.trials import lease
from tests.builders import METRIC, completed, measurement, spec_of
from tests.simulated_study import open_search

LADDER = {"min_epochs": 3, "max_epochs": 9, "scheduler": "stopping"}
SPEC = spec_of(budget={"trials": 12}, ladder=LADDER)
ONE = spec_of(budget={"trials": 1}, ladder=LADDER)


def test_a_lost_worker_is_counted_and_not_held_against_the_params(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)
    job = source.next_job()
    assert job is not None
    source.lost(job.number, Loss(Kind.NODE, "node died"))

    trial = Journal.read(tmp_path, metric=METRIC).trials()[0]
    assert (trial.retries, trial.state) == (1, State.RUNNING)
    again = source.next_job()
    assert again is not None
    assert (again.number, again.attempt) == (job.number, job.attempt + 1)
    source.measured(job.number, measurement(1, 0.5), node="a")
    source.ended(job.number, Ending(final=measurement(9, 0.5)))
    source.lost(job.number, Loss(Kind.WORKER, "after its last word"))
    assert source.trials[0].state is State.COMPLETED
    assert source.trials[0].retries == 1


def test_a_failure_of_chance_is_tried_again_as_often_as_agreed(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)
    for attempt in (1, 2):
        job = source.next_job()
        assert job is not None
        assert (job.number, job.attempt) == (0, attempt)
        source.ended(0, Ending(cause="RuntimeError: cuDNN", again=True))

    assert source.trials[0].state is State.FAILED
    assert source.trials[0].losses[0].kind is Kind.OWN


def test_the_search_is_not_over_while_a_trial_may_still_be_lost(tmp_path: Path) -> None:
    source = open_search(tmp_path, ONE)
    job = source.next_job()
    assert job is not None
    assert not source.over
    source.lost(0, Loss(Kind.WORKER, "killed"))
    assert not source.over
    assert source.next_job() is not None
    source.ended(0, Ending(final=measurement(9, 0.5)))
    assert source.over


def test_a_trial_that_was_not_trained_as_asked_is_stopped_at_its_rung_and_never_best(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC, workers=2)
    for number in range(2):
        assert source.next_job() is not None
        value = replace(measurement(1, 0.1 + number), changed="batch halved" if number else "")
        source.measured(number, value, node="a")
    rung = SPEC.ladder.rungs[0]
    for epoch in range(2, rung + 1):
        answers = [
            source.measured(n, replace(measurement(epoch, 0.1 + n), changed="batch halved" if n else ""), node="a")
            for n in range(2)
        ]

    assert answers[1] is Answer.STOP
    ending = source.trials[1].ending
    assert ending is not None
    assert ending.pruned.endswith("conditions changed: batch halved")
    assert (
        best_trial(
            [completed(0, [0.1]), replace(completed(1, [0.9]), measurements=source.trials[1].measurements)], METRIC
        ).number
        == 0
    )


def test_params_without_enough_memory_are_infeasible_but_not_those_of_a_lost_node(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC, workers=3)
    for number in range(3):
        assert source.next_job() is not None
        source.measured(number, measurement(1, 0.5), node="a")
    for _ in range(2):
        source.lost(0, Loss(Kind.MEMORY, "killed for memory"))
        source.next_job()
    for _ in range(20):
        source.lost(1, Loss(Kind.NODE, "its node died"))
        source.next_job()
    source.ended(2, Ending(cause="out of memory: batch 8 did not fit, nor did 4"))

    seen = source._strategy._sampler._seen
    assert [seen[number].infeasible for number in range(3)] == [True, False, True]
    ending = source.trials[0].ending
    assert ending is not None
    assert ending.cause == "out of memory: killed for memory, for the second time"
    assert source.trials[1].state is State.RUNNING


def test_a_default_not_trained_as_asked_and_killed_at_a_rung_goes_on(tmp_path: Path) -> None:
    spec = spec_of(budget={"trials": 1}, ladder={"min_epochs": 3, "max_epochs": 9})
    source = open_search(tmp_path, spec)
    assert source.next_job() is not None
    for epoch in range(1, 4):
        source.measured(0, replace(measurement(epoch, 0.1), changed="batch halved"), node="a")

    again = open_search(tmp_path, spec)

    job = again.next_job()
    assert job is not None
    assert (job.number, job.attempt) == (0, 2)
    assert again.measured(0, replace(measurement(4, 0.1), changed="batch halved"), node="a") is Answer.CONTINUE


def test_a_study_in_which_no_trial_fits_gives_up(tmp_path: Path) -> None:
    source = open_search(tmp_path, spec_of(budget={"trials": 50}, ladder=LADDER), workers=5)
    for number in range(5):
        assert source.next_job() is not None
        for epoch in range(1, 4):
            source.measured(number, replace(measurement(epoch, 0.1), changed="batch halved"), node="a")
    source.ended(0, Ending(cause="out of memory"))

    assert source.aborted.startswith("the first 5 trials all failed")
    assert "trial 3 conditions changed: batch halved" in (tmp_path / "study.log").read_text()


def test_a_trial_given_up_after_its_losses_is_fenced(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)
    job = source.next_job()
    assert job is not None
    source.lost(0, Loss(Kind.MEMORY, "killed"))
    last = source.next_job()
    assert last is not None
    source.lost(0, Loss(Kind.MEMORY, "killed"))

    assert source.trials[0].state is State.FAILED
    with pytest.raises(lease.Superseded, match="attempt 3 has superseded attempt 2"):
        lease.check(last.folder, last.attempt)


def test_params_whose_images_cannot_be_read_are_feasible_and_three_stop_the_study(tmp_path: Path) -> None:
    source = open_search(tmp_path, spec_of(budget={"trials": 50}, ladder=LADDER), workers=4)
    broken = Ending(cause="left out 1 image", kind=EndReason.DATA)
    for _ in range(4):
        assert source.next_job() is not None
    source.measured(3, measurement(1, 0.5), node="a")
    source.ended(0, broken)
    source.ended(1, broken)
    with pytest.raises(StudyError, match="the last 3 trials failed because it is not, the last with: left out 1 image"):
        source.ended(2, broken)
    seen = source._strategy._sampler._seen
    assert [seen[number].infeasible for number in range(3)] == [False, False, False]
    assert not source.aborted
