"""Sampler and scheduler told the same facts: what a trial is told at a rung, what a rebuilt strategy still knows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import pytest

from automl.hpo.selection import paused
from automl.hpo.strategy import BASELINE, Strategy, StrategySettings
from automl.study import Answer, Ending, Params, Trial
from tests.builders import METRIC, completed, failed, measurement, mixed_space, pruned, trial_of
from tests.simulated_study import number

Kind = Literal["promotion", "stopping"]
KIND = pytest.mark.parametrize("kind", ["promotion", "stopping"])
RUNGS = (1, 2)
SPACE = mixed_space()
PARAMS = SPACE.defaults()


def strategy_settings(kind: Kind, *, factor: int = 2) -> StrategySettings:
    return StrategySettings(SPACE, METRIC, max_epochs=6, rungs=RUNGS, reduction_factor=factor, scheduler=kind)


def strategy_of(kind: Kind, trials: Sequence[Trial] = (), *, factor: int = 2) -> Strategy:
    """Return a strategy that was told of trials of an earlier session."""
    strategy = Strategy(strategy_settings(kind, factor=factor))
    for trial in trials:
        strategy.add(replace(trial, params=PARAMS))
    return strategy


def answer_at(strategy: Strategy, trial: Trial, *, epoch: int | None = None) -> Answer | None:
    verdict = strategy.judge(trial, epoch=trial.epoch if epoch is None else epoch)
    return verdict.answer if verdict else None


def resumes(strategy: Strategy) -> list[int]:
    """Return all paused trials that may go on, in their order."""
    found = []
    while (trial := strategy.advance_next()) is not None:
        found.append(trial)
    return found


@KIND
def test_between_rungs_nobody_is_judged(kind: Kind) -> None:
    trial = trial_of(1, [0.1, 0.2, 0.3, 0.4, 0.5])
    strategy = strategy_of(kind)
    assert [answer_at(strategy, trial, epoch=epoch) for epoch in (3, 4, 5, 6)] == [None] * 4


@KIND
def test_a_question_asked_again_gets_the_first_answer(kind: Kind) -> None:
    strategy = strategy_of(kind)
    trials = [trial_of(trial, [value]) for trial, value in enumerate([0.3, 0.5, 0.1, 0.4], start=1)]
    first = [strategy.judge(trial, epoch=1) for trial in trials]
    again = [answer_at(strategy, trial) for trial in trials]
    assert again == [verdict.answer for verdict in first if verdict]


def test_the_default_is_never_stopped_and_still_stands_in_the_way() -> None:
    strategy = strategy_of("stopping")
    assert answer_at(strategy, trial_of(1, [0.9])) is Answer.CONTINUE
    assert answer_at(strategy, trial_of(2, [0.8])) is Answer.STOP
    assert answer_at(strategy, trial_of(BASELINE, [0.1])) is Answer.CONTINUE
    assert answer_at(strategy, trial_of(3, [0.85])) is Answer.CONTINUE
    told = strategy.judge(trial_of(BASELINE, [0.1]), epoch=1)
    assert told is not None
    assert told.reason == "rank 4 of 4, top 2 from 0.8500; the baseline is kept"


def test_the_default_may_pause() -> None:
    strategy = strategy_of("promotion")
    assert answer_at(strategy, trial_of(BASELINE, [0.1])) is Answer.PAUSE


@KIND
def test_a_trial_stands_with_its_best_value_so_far(kind: Kind) -> None:
    strategy = strategy_of(kind)
    answer_at(strategy, trial_of(1, [0.1, 0.5]))
    fallen = trial_of(2, [0.9, 0.0])
    assert answer_at(strategy, fallen) is Answer.CONTINUE
    assert answer_at(strategy, replace(fallen, number=3), epoch=1) is not None


@KIND
def test_a_trial_without_a_loss_comes_last_among_equals(kind: Kind) -> None:
    strategy = strategy_of(kind)
    silent = replace(measurement(1, 0.0), metrics={METRIC: 0.0})
    answer_at(strategy, replace(trial_of(1), measurements=(silent,)))
    told = strategy.judge(trial_of(2, [0.0]), epoch=1)
    assert told is not None
    assert told.reason.startswith("rank 1 of 2, top 1 from 0.0000")


@pytest.mark.parametrize(
    ("trial", "pauses"),
    [
        (trial_of(1), False),
        (trial_of(1, [0.1]), True),
        (trial_of(1, [0.1, 0.2]), True),
        (trial_of(1, [0.1, 0.2, 0.3]), False),
        (pruned(1, [0.1]), False),
        (failed(1, [0.1]), False),
        (completed(1, [0.1] * 6), False),
    ],
    ids=["no epoch", "first rung", "second rung", "between", "pruned", "failed", "completed"],
)
def test_of_an_earlier_session_those_pause_that_stand_at_a_rung(trial: Trial, *, pauses: bool) -> None:
    assert strategy_of("promotion").pauses(trial) is pauses is paused(trial, rungs=RUNGS, scheduler="promotion")
    assert not strategy_of("stopping").pauses(trial)


def test_a_trial_paused_in_an_earlier_session_goes_on_when_it_is_among_the_best() -> None:
    trials = [trial_of(0, [0.3]), trial_of(1, [0.9]), trial_of(2, [0.5]), trial_of(3, [0.1])]
    strategy = strategy_of("promotion", trials)
    assert strategy.can_advance()
    assert resumes(strategy) == [1, 2]
    assert not strategy.can_advance()
    assert answer_at(strategy, trials[1]) is Answer.CONTINUE
    assert answer_at(strategy, trials[0]) is Answer.PAUSE


def test_a_trial_that_had_passed_a_rung_is_told_so_again_and_keeps_its_seat() -> None:
    trials = [trial_of(0, [0.3]), trial_of(1, [0.9, 0.9, 0.9]), trial_of(2, [0.1]), trial_of(3, [0.2])]
    strategy = strategy_of("promotion", trials)
    assert [answer_at(strategy, trials[1], epoch=epoch) for epoch in RUNGS] == [Answer.CONTINUE] * 2
    assert resumes(strategy) == [0]


@pytest.mark.parametrize("ended", [failed(1, [0.9]), pruned(1, [0.9])], ids=["failed", "pruned"])
def test_one_that_ended_at_a_rung_stands_there_and_never_goes_on(ended: Trial) -> None:
    strategy = strategy_of("promotion", [trial_of(0, [0.3]), ended, trial_of(2, [0.5]), trial_of(3, [0.1])])
    assert resumes(strategy) == [2]


def test_one_that_ends_while_it_pauses_never_goes_on() -> None:
    trials = [trial_of(0, [0.3]), trial_of(1, [0.9])]
    strategy = strategy_of("promotion", trials)
    strategy.ended(replace(trials[1], ending=Ending(cause="worker lost")))
    assert not strategy.can_advance()


def test_stopping_judges_one_that_was_killed_at_its_rung_when_it_comes_back() -> None:
    strategy = strategy_of("stopping", [pruned(1, [0.2]), trial_of(2, [0.3, 0.3, 0.3]), trial_of(3, [0.25])])
    told = strategy.judge(trial_of(3, [0.25]), epoch=1)
    assert told is not None
    assert (told.answer, told.reason) == (Answer.CONTINUE, "rank 2 of 3, top 2 from 0.2500")
    assert answer_at(strategy, pruned(1, [0.2])) is Answer.STOP


def rate(params: Params) -> float:
    return 1.0 - abs(number(params["lr0"]) - 0.03) * 5


def lived(kind: Kind, *, trials: int) -> list[tuple[list[Trial], tuple[str, object]]]:
    """Run a study on one worker; return what stood in the journal at each decision, and what was decided."""
    strategy = Strategy(strategy_settings(kind))
    known: dict[int, Trial] = {}
    story: list[tuple[list[Trial], tuple[str, object]]] = []
    while True:
        before = list(known.values())
        at = strategy.advance_next()
        if at is None and len(known) == trials:
            return story
        if at is None:
            params, origin = strategy.draw()
            story.append((before, (origin, params)))
            at = len(known)
            known[at] = trial_of(at, params=params)
            strategy.add(known[at])
        else:
            story.append((before, ("resumes", at)))
        known[at] = trained(strategy, known[at])


def trained(strategy: Strategy, trial: Trial) -> Trial:
    """Train a trial until it pauses or ends."""
    for epoch in range(trial.epoch + 1, 7):
        value = rate(trial.params) * epoch / 6
        trial = replace(trial, measurements=(*trial.measurements, measurement(epoch, value)))
        strategy.measured(trial)
        answer = answer_at(strategy, trial)
        if answer is Answer.PAUSE:
            return trial
        if answer is Answer.STOP:
            break
    ending = Ending(pruned="rank") if trial.epoch < 6 else Ending(final=measurement(6, rate(trial.params)))
    trial = replace(trial, ending=ending)
    strategy.ended(trial)
    return trial


@pytest.mark.slow
@KIND
def test_a_strategy_rebuilt_at_any_decision_decides_as_the_unbroken_one(kind: Kind) -> None:
    story = lived(kind, trials=13)
    assert {"default", "model"} <= {what for _, (what, _) in story}
    assert ("resumes" in {what for _, (what, _) in story}) is (kind == "promotion")
    for before, (what, which) in story:
        again = Strategy(strategy_settings(kind))
        for trial in before:
            again.add(trial)
        at = again.advance_next()
        if what == "resumes":
            assert at == which
        else:
            assert (at, again.draw()) == (None, (which, what))
