"""Ladders that learn, the choice of past studies and the bounds of power, without a search."""

from collections.abc import Mapping

import numpy as np
import pytest

from automl.study import Answer
from benchmarks import detector_tasks, past_winners, sequential_power
from benchmarks.learned_ladders import FreeingAsha, GrowingAsha, RatioAsha, SeeingAsha
from benchmarks.sequential_power import Design


def climbed(asha: FreeingAsha, values: Mapping[int, tuple[float, ...]]) -> list[Answer]:
    """Take trials through the rungs at 1, 3 and 9 as far as they have values, and return their answers at the first."""
    answers = []
    for trial, seen in values.items():
        answers.append(asha.judge(trial, epoch=1, value=seen[0]).answer)
        for epoch, value in zip((3, 9), seen[1:], strict=False):
            asha.judge(trial, epoch=epoch, value=value)
    return answers


def test_a_rung_whose_ranks_turn_round_later_lets_all_pass() -> None:
    turned = {trial: (trial / 10, 1 - trial / 10) for trial in range(30)}
    kept = {trial: (trial / 10, trial / 10) for trial in range(30)}
    worst = {99: (-1.0,)}
    for values, answer in ((turned, Answer.CONTINUE), (kept, Answer.PAUSE)):
        asha = SeeingAsha((1, 3, 9), 3)
        climbed(asha, values)
        assert climbed(asha, worst) == [answer]


def test_a_rung_at_which_the_first_trial_knew_nothing_lets_all_pass() -> None:
    for early, answer in ((0.01, Answer.CONTINUE), (0.3, Answer.PAUSE)):
        asha = RatioAsha((1, 3, 9), 3)
        assert climbed(asha, {0: (early, 0.4, 0.5)}) == [Answer.CONTINUE], "the first trial passes every rung"
        asha.ends[0] = 0.5
        assert climbed(asha, {1: (0.0,)}) == [answer]


def test_trials_climb_beyond_the_second_rung_once_ranks_differ_or_the_budget_ends() -> None:
    def at_second(second: dict[int, float]) -> GrowingAsha:
        asha = GrowingAsha((1, 3, 9), 3)
        for trial in range(3):
            asha.restore(trial, epoch=1, score=(trial / 10, 0.0), advanced=True)
            asha.restore(trial, epoch=3, score=(second[trial], 0.0), advanced=False)
        return asha

    same, other = {0: 0.1, 1: 0.2, 2: 0.3}, {0: 0.3, 1: 0.2, 2: 0.1}
    assert at_second(same).next_to_advance() is None
    assert at_second(other).next_to_advance() == 0
    released = at_second(same)
    released.released = True
    assert released.next_to_advance() == 2


@pytest.mark.slow
def test_a_detector_learns_from_other_data_sets_with_the_same_start_only() -> None:
    every = {task.name: task for task in detector_tasks.cached()}
    tasks = list(every.values())
    assert [task.name for task in past_winners.teachers(every["micro-bolts"], tasks)] == ["micro-sample"]
    names = {task.name for task in past_winners.teachers(every["sample-few"], tasks)}
    assert names == {"bccd", "bolts", "screws-tiny"}
    near = past_winners.chosen(every["sample-few"], tasks, kind="near", count=3, seed=0)
    alike = [past_winners.alike(every["sample-few"], task) or 0.0 for task in near]
    assert alike == sorted(alike, reverse=True)


@pytest.mark.parametrize("text", ["near", "near 0", "far 2", "near x", ""])
def test_a_rule_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        past_winners.rule(text)


def test_all_looks_together_have_the_rest_of_the_error() -> None:
    design = Design(cap=20, step=2)
    generator = np.random.default_rng(1)
    ours, theirs = generator.standard_normal((2, 20_000, design.looks[-1]))
    crossed = np.zeros(len(ours), dtype=bool)
    for count in design.looks:
        crossed |= sequential_power.normal_scores(ours[:, :count], theirs[:, :count]) > design.bound(count)
    assert crossed.mean() == pytest.approx(0.04, abs=0.006)


def test_a_design_spends_at_most_its_cap() -> None:
    design = Design(cap=16, futility=0.0)
    spent = [sequential_power.played(study, design).spent for study in sequential_power.studies("none", 20)]
    assert max(spent) <= 16
    assert min(spent) >= 6
