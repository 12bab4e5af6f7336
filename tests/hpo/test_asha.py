"""Who goes on at a rung: the laws of both kinds, and what a tie means."""

import random
from collections.abc import Sequence
from math import ceil, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.hpo.asha import KINDS, PausingAsha, Rung, Scheduler, StoppingAsha
from automl.study import Answer

factors = st.integers(2, 6)
values = st.floats(0, 1)
standings = st.tuples(values, st.one_of(values, st.just(inf)))
KIND = pytest.mark.parametrize("kind", KINDS)


def answers(scheduler: Scheduler, found: Sequence[float], *, epoch: int) -> list[Answer]:
    """Let trials 0, 1, … arrive at a rung with these values."""
    return [scheduler.judge(number, epoch=epoch, value=value).answer for number, value in enumerate(found)]


def promoted(scheduler: Scheduler) -> list[int]:
    """Return the paused trials that go on now, in their order."""
    found = []
    while (number := scheduler.advance_next()) is not None:
        found.append(number)
    return found


class Played:
    """A promotion-type scheduler, and the same facts as a journal holds them."""

    def __init__(self, factor: int) -> None:
        self.factor = factor
        self.rungs = (1, 3, 9)
        self.scheduler = PausingAsha(self.rungs, factor)
        self.at: dict[int, int] = {}
        """Trial to the rung on which it stands."""
        self.gone: set[tuple[int, int]] = set()
        """Trial and rung from which it went on."""
        self.arrivals: list[tuple[int, int, tuple[float, float]]] = []
        self.ended: set[int] = set()

    def climb(self, trial: int, score: tuple[float, float]) -> None:
        """Train a trial up to its next rung, or to the end."""
        if trial in self.at:
            self.gone.add((trial, self.at[trial]))
        self.at[trial] = next((rung for rung in self.rungs if rung > self.at.get(trial, 0)), 0)
        if not self.at[trial]:
            return self.end(trial)
        value, loss = score
        self.arrivals.append((trial, self.at[trial], score))
        verdict = self.scheduler.judge(trial, epoch=self.at[trial], value=value, loss=loss)
        return self.climb(trial, score) if verdict.answer is Answer.CONTINUE else None

    def end(self, trial: int) -> None:
        self.ended.add(trial)
        self.scheduler.drop(trial)

    def again(self) -> PausingAsha:
        """Return a scheduler that was told what the journal would tell."""
        restored = PausingAsha(self.rungs, self.factor)
        for trial, rung, score in self.arrivals:
            restored.restore(trial, epoch=rung, score=score, advanced=(trial, rung) in self.gone)
        for trial in self.ended:
            restored.drop(trial)
        return restored


@given(st.lists(values, min_size=1, max_size=30), factors)
def test_of_n_paused_trials_the_best_nth_part_goes_on_the_best_first(found: list[float], factor: int) -> None:
    scheduler = PausingAsha((2,), factor)
    given_on = [number for number, answer in enumerate(answers(scheduler, found, epoch=2)) if answer is Answer.CONTINUE]

    ranked = sorted(range(len(found)), key=lambda number: (-found[number], number))
    seated = [number for number in ranked[: len(found) // factor] if number not in given_on]

    assert scheduler.can_advance() is bool(seated)
    assert promoted(scheduler) == seated
    assert not scheduler.can_advance()


@given(st.lists(values, min_size=1, max_size=30), factors)
def test_a_trial_is_paused_unless_it_is_the_next_to_go_on(found: list[float], factor: int) -> None:
    scheduler = PausingAsha((2,), factor)
    advanced: set[int] = set()
    for number, value in enumerate(found):
        ranked = sorted(range(number + 1), key=lambda other: (-found[other], other))
        seated = [other for other in ranked[: (number + 1) // factor] if other not in advanced]
        answer = scheduler.judge(number, epoch=2, value=value).answer
        assert answer is (Answer.CONTINUE if seated[:1] == [number] else Answer.PAUSE)
        advanced |= {number} if answer is Answer.CONTINUE else set()


def test_a_trial_goes_on_only_behind_those_that_wait_above_it() -> None:
    scheduler = PausingAsha((1, 3), 2)
    assert answers(scheduler, [0.5, 0.6, 0.4], epoch=1) == [Answer.PAUSE, Answer.CONTINUE, Answer.PAUSE]
    assert scheduler.judge(1, epoch=3, value=0.9).answer is Answer.PAUSE
    assert scheduler.judge(0, epoch=3, value=0.2).answer is Answer.PAUSE  # trial 1 is the better one and waits
    assert scheduler.judge(3, epoch=1, value=0.7).answer is Answer.PAUSE  # a seat is free, but trial 1 comes first

    assert promoted(scheduler) == [1, 3]


def test_the_highest_rung_is_served_first() -> None:
    scheduler = PausingAsha((1, 3, 9), 2)
    for epoch, trials in {1: [0, 1, 2, 3], 3: [4, 5], 9: [6, 7]}.items():
        for trial in trials:
            scheduler.restore(trial, epoch=epoch, score=(trial / 10, 1.0), advanced=False)

    assert promoted(scheduler) == [7, 5, 3, 2]


@KIND
def test_equal_values_are_ranked_by_loss_and_then_by_arrival(kind: str) -> None:
    scheduler = KINDS[kind]((4,), 2)
    for trial, loss in enumerate([2.0, 3.0, 1.0, 1.0]):
        scheduler.judge(trial, epoch=4, value=0.0, loss=loss)

    told = [scheduler.judge(trial, epoch=4, value=0.0).reason for trial in range(4)]

    assert [text.partition(",")[0] for text in told] == [f"rank {place} of 4" for place in (3, 4, 1, 2)]
    assert ["equal: val/loss decides" in text for text in told] == [True, True, False, False]


@KIND
def test_a_higher_value_beats_any_loss(kind: str) -> None:
    scheduler = KINDS[kind]((4,), 2)
    scheduler.judge(0, epoch=4, value=0.1, loss=0.1)
    assert scheduler.judge(1, epoch=4, value=0.2, loss=99.0).answer is Answer.CONTINUE


def test_without_a_loss_the_earlier_of_equal_trials_goes_on() -> None:
    scheduler = PausingAsha((4,), 2)
    assert answers(scheduler, [0.3, 0.3, 0.3, 0.3], epoch=4) == [Answer.PAUSE] * 4
    assert promoted(scheduler) == [0, 1]


def test_one_that_has_ended_never_goes_on_and_keeps_its_place() -> None:
    scheduler = PausingAsha((2,), 2)
    for trial, value in enumerate([0.1, 0.2, 0.3, 0.4]):
        scheduler.restore(trial, epoch=2, score=(value, 1.0), advanced=False)
    scheduler.drop(3)

    assert scheduler.can_advance()
    assert promoted(scheduler) == [2]
    assert scheduler.judge(1, epoch=2, value=0.2).reason == "rank 3 of 4, top 2 from 0.3000"


def test_one_that_ended_at_its_rung_makes_no_room_for_the_next_best() -> None:
    scheduler = PausingAsha((2,), 2)
    for trial, value in enumerate([0.1, 0.9]):
        scheduler.restore(trial, epoch=2, score=(value, 1.0), advanced=False)
    scheduler.drop(1)
    assert not scheduler.can_advance()
    assert scheduler.advance_next() is None


@KIND
@given(found=st.lists(values, min_size=2, max_size=20), factor=factors, other=values)
def test_a_question_asked_twice_gets_the_first_answer(kind: str, found: list[float], factor: int, other: float) -> None:
    asked = KINDS[kind]((2,), factor)
    for number, value in enumerate(found):
        first = asked.judge(number, epoch=2, value=value)
        assert asked.judge(number, epoch=2, value=other) == first


@given(st.lists(values, min_size=1, max_size=20), factors)
def test_one_that_went_on_is_told_so_for_ever(found: list[float], factor: int) -> None:
    scheduler = PausingAsha((2,), factor)
    gone = {number for number, answer in enumerate(answers(scheduler, found, epoch=2)) if answer is Answer.CONTINUE}
    gone |= set(promoted(scheduler))
    assert answers(scheduler, found, epoch=2) == [
        Answer.CONTINUE if number in gone else Answer.PAUSE for number in range(len(found))
    ]


@given(st.lists(st.tuples(standings, st.integers(0, 3)), min_size=1, max_size=40), factors)
def test_a_restored_scheduler_goes_on_as_the_old_one_would(
    steps: list[tuple[tuple[float, float], int]], factor: int
) -> None:
    played, new = Played(factor), 0
    for score, what in steps:
        resumed = played.scheduler.advance_next() if what == 1 else None
        if resumed is not None:
            played.climb(resumed, score)
        elif what == 3 and played.at:
            played.end(max(played.at))
        else:
            played.climb(new, score)
            new += 1
    restored = played.again()
    assert restored.can_advance() is played.scheduler.can_advance()
    for trial, rung, _ in played.arrivals:
        told = [scheduler.judge(trial, epoch=rung, value=0.0) for scheduler in (played.scheduler, restored)]
        assert told[0] == told[1]
    judged = [scheduler.judge(new, epoch=1, value=0.5, loss=0.5) for scheduler in (played.scheduler, restored)]
    assert judged[0] == judged[1]
    assert promoted(restored) == promoted(played.scheduler)


@given(st.lists(values, min_size=1, max_size=30), factors)
def test_stopping_lets_a_trial_go_on_that_is_among_the_best_of_those_before(found: list[float], factor: int) -> None:
    scheduler = StoppingAsha((1,), factor)
    for number, value in enumerate(found):
        verdict = scheduler.judge(number, epoch=1, value=value)
        ahead = sum(other >= value for other in found[:number])
        assert verdict.answer is (Answer.CONTINUE if ahead < ceil((number + 1) / factor) else Answer.STOP)
        assert verdict.reason.startswith(f"rank {ahead + 1} of {number + 1}, top ")


@given(st.integers(1, 40), factors)
def test_stopping_takes_a_tie_for_no_progress(trials: int, factor: int) -> None:
    assert answers(StoppingAsha((4,), factor), [0.0] * trials, epoch=4).count(Answer.CONTINUE) == 1


def test_stopping_of_equal_values_lets_the_smaller_loss_go_on() -> None:
    scheduler = StoppingAsha((4,), 3)
    losses = enumerate([2.0, 3.0, 1.0, 1.5])
    told = [scheduler.judge(number, epoch=4, value=0.0, loss=loss).answer for number, loss in losses]
    assert told == [Answer.CONTINUE, Answer.STOP, Answer.CONTINUE, Answer.CONTINUE]


def test_stopping_pauses_nothing() -> None:
    scheduler = StoppingAsha((4,), 2)
    answers(scheduler, [0.1, 0.2, 0.3, 0.05], epoch=4)
    scheduler.drop(0)
    assert not scheduler.can_advance()
    assert scheduler.advance_next() is None


@given(st.lists(standings, min_size=1, max_size=20), factors, values, values)
def test_stopping_brought_back_judges_the_next_as_the_old_one_would(
    found: list[tuple[float, float]], factor: int, value: float, loss: float
) -> None:
    old, new = StoppingAsha((3,), factor), StoppingAsha((3,), factor)
    for number, score in enumerate(found):
        verdict = old.judge(number, epoch=3, value=score[0], loss=score[1])
        new.restore(number, epoch=3, score=score, advanced=verdict.answer is Answer.CONTINUE)
    assert new.judge(99, epoch=3, value=value, loss=loss) == old.judge(99, epoch=3, value=value, loss=loss)
    for number in range(len(found)):
        assert old.judge(number, epoch=3, value=0) == new.judge(number, epoch=3, value=0)


def test_a_reason_names_the_value_to_beat_or_the_next_in_line() -> None:
    scheduler = PausingAsha((4, 12), 3)
    told = [scheduler.judge(trial, epoch=4, value=trial / 10).reason for trial in (5, 2, 1)]
    assert told[:2] == ["rank 1 of 1, the first of 3 advances", "rank 2 of 2, the first of 3 advances"]
    assert told[2] == "rank 3 of 3, top 1 from 0.5000"
    for trial in (6, 4):
        scheduler.restore(trial, epoch=4, score=(trial / 10, 1.0), advanced=False)
    scheduler.restore(5, epoch=4, score=(0.5, 1.0), advanced=False)
    scheduler.restore(3, epoch=4, score=(0.3, 1.0), advanced=False)
    assert scheduler.judge(5, epoch=4, value=0.5).reason == "rank 2 of 6, top 2 from 0.5000, another is first"
    assert scheduler.described(6) == "rank 1 of 6, top 2 from 0.5000"


def test_a_rung_ranks_as_sorting_its_entries_would() -> None:
    """Orders that are kept sorted give the ranks of a full sort: best first, ties by loss, then by arrival."""
    chance = random.Random(0)
    rung = Rung(3)
    arrived: list[tuple[int, float, float]] = []
    for trial in chance.sample(range(100), 60):
        value, loss = chance.choice([0.1, 0.2, 0.3]), chance.choice([1.0, 2.0])
        rung.add(trial, value=value, loss=loss)
        arrived.append((trial, value, loss))
        if chance.random() < 0.3:
            rung.advance(chance.choice(arrived)[0])
        if chance.random() < 0.2:
            rung.close(chance.choice(arrived)[0])
        ranked = [one for one, _, _ in sorted(arrived, key=lambda entry: (-entry[1], entry[2]))]
        assert [rung.rank(one) for one in ranked] == [*range(1, len(ranked) + 1)]
        paused = list(rung.paused())
        assert paused == [one for one in ranked if one in set(paused)]
        assert not rung.advanced & set(paused)
