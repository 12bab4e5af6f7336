"""The benchmark of the search: its clock, its tables, its ratios."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automl.hpo.learning_curves import Forecast
from automl.study import Answer, Params
from automl.study.space import Choice, Real, SearchSpace
from benchmarks import ablation, efficiency, noisy_looks, past, tables, virtual
from benchmarks.freeze_thaw import FreezeThaw, improvement
from benchmarks.model_ranks import ModelRanks
from benchmarks.ours import Ours, Start
from benchmarks.tables import Task

SPACE = SearchSpace({"lr": Real(0.0, 1.0, default=0.5), "model": Choice(("n", "s"), "n")})


def task(values: list[list[float]], *, seconds: float = 1.0) -> Task:
    rows = np.array([[index / len(values), index % 2] for index in range(len(values))], dtype=float)
    curves = [np.array(curve) for curve in values]
    costs = [np.full(len(curve), seconds) for curve in values]
    return Task("made", "up", SPACE, rows, np.array([1.0, 100.0]), curves, costs, 3, {})


class Scripted:
    """Tries lr 0 again and again, and answers by a script of (trial, epoch)."""

    def __init__(
        self, answers: dict[tuple[int, int], Answer] | None = None, resumed: dict[int, int] | None = None
    ) -> None:
        self.answers = answers or {}
        self.resumed = resumed or {}
        self.asked = 0
        self.heard: list[tuple[int, int, float]] = []
        self.were: dict[int, Params] = {}
        self.over: list[int] = []

    def next(self) -> tuple[int, Params] | None:
        if (number := self.resumed.pop(len(self.heard), None)) is not None:
            return number, {}
        self.asked += 1
        return self.asked - 1, {"lr": 0.0, "model": "n"}

    def told(self, number: int, params: Params) -> None:
        self.were[number] = params

    def measured(self, number: int, *, epoch: int, value: float, seconds: float) -> Answer:
        del seconds
        self.heard.append((number, epoch, value))
        return self.answers.get((number, epoch), Answer.CONTINUE)

    def ended(self, number: int) -> None:
        self.over.append(number)


def test_a_suggestion_is_answered_by_the_nearest_free_row() -> None:
    made = task([[0.1], [0.2], [0.3], [0.4]])
    strategy = Scripted()
    virtual.run(strategy, made, workers=1, budget=10, startup=0)
    assert [value for _, _, value in strategy.heard] == [0.1, 0.3, 0.2, 0.4]  # the model counts for more than lr
    assert [params["lr"] for params in strategy.were.values()] == [0.0, 0.5, 0.25, 0.75]


def test_each_start_costs_also_after_a_pause() -> None:
    made = task([[0.1, 0.2, 0.3]])
    answers = {(0, 1): Answer.PAUSE}
    trace = virtual.run(Scripted(answers, {1: 0}), made, workers=1, budget=100, startup=0.5)
    assert trace.times.tolist() == [1.5, 3.0, 4.0]


def test_no_epoch_counts_that_ends_after_the_budget() -> None:
    trace = virtual.run(Scripted(), task([[0.1, 0.2, 0.3]]), workers=1, budget=2, startup=0)
    assert trace.best.tolist() == [0.1, 0.2]


def test_a_stopped_trial_leaves_its_worker_and_one_at_its_last_epoch_has_ended() -> None:
    strategy = Scripted({(0, 1): Answer.STOP, (1, 2): Answer.PAUSE})
    virtual.run(strategy, task([[0.1, 0.2], [0.5, 0.6]]), workers=1, budget=100, startup=0)
    assert [(number, epoch) for number, epoch, _ in strategy.heard] == [(0, 1), (1, 1), (1, 2)]
    assert strategy.over == [1]


def test_workers_train_side_by_side() -> None:
    made = task([[0.1] * 3] * 4)
    alone, many = (virtual.run(Scripted(), made, workers=workers, budget=3, startup=0) for workers in (1, 4))
    assert (alone.trials, many.trials) == (2, 4)


def test_regret_is_nought_at_the_best_row_and_one_at_the_median_and_before_anything() -> None:
    made = task([[0.0], [0.2], [0.4]])
    trace = virtual.Trace(np.array([2.0, 4.0]), np.array([0.3, 0.4]), 2)
    assert virtual.regret(trace, made, np.array([1.0, 2.0, 5.0])) == pytest.approx([1.0, 0.5, 0.0])


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        ([0.5, 0.2, 0.1, 0.1], [0.8, 0.6, 0.4, 0.2], 2.0),
        ([0.8, 0.6, 0.4, 0.2], [0.5, 0.2, 0.1, 0.1], 0.5),
        ([0.4, 0.2], [0.4, 0.2], 1.0),
        ([0.6, 0.2], [0.9, 0.4], 4 / 3),
        ([0.9, 0.5, 0.4, 0.1], [0.9, 0.2, 0.2, 0.2], 2 / (3 + 2 / 3)),  # theirs were there long before their end
        ([0.5, 0.2, 0.2, 0.2], [0.8, 0.6, 0.2, 0.1], 0.75),  # ours got stuck, early though it was
        ([0.5, 0.5, 0.5, 0.0], [0.5, 0.0, 0.0, 0.0], 0.5),  # and where both end alike
        ([1.0, 1.0], [1.0, 1.0], 1.0),
    ],
)
def test_the_ratio_is_the_compute_to_where_the_slower_one_ends(
    ours: list[float], theirs: list[float], found: float
) -> None:
    assert efficiency.ratio(np.array(ours), np.array(theirs)) == pytest.approx(found)


def test_the_pace_is_the_mean_ratio_on_the_way() -> None:
    fast, slow = 1 / np.arange(1, 101), 1 / np.linspace(1.1, 51, 100)
    assert efficiency.pace(fast, slow) == pytest.approx(2, rel=0.15)
    stuck = np.maximum(fast, slow[-1] + 0.001)
    assert efficiency.ratio(stuck, slow) < 1.0 < 1.5 < efficiency.pace(stuck, slow)


@pytest.mark.slow
def test_a_table_gives_the_ratio_an_interval_and_names_the_task_that_loses() -> None:
    fast, slow = np.array([0.2, 0.1, 0.1, 0.1]), np.array([0.8, 0.6, 0.4, 0.2])
    curves = {("ours", "a"): fast, ("ours", "b"): slow, ("stock", "a"): slow, ("stock", "b"): fast}
    results = [
        ({"family": "f", "workers": 4, "strategy": strategy, "task": name, "seed": seed}, curve)
        for (strategy, name), curve in curves.items()
        for seed in range(3)
    ]
    table = efficiency.Table.of(results)
    found, low, high = efficiency.with_interval(table, "f", 4, ("ours", "stock"))
    assert low < found == 1.0 < high
    answer = efficiency.figures(table)
    assert answer["tasks_worse"] == {"f": {"4": {"b": [0.25, 0.25, 0.25]}}}
    assert answer["seeds"] == 6
    assert "worse by more than a fifth: b 0.25 (0.25..0.25)" in efficiency.told(table)


def test_a_pair_is_compared_on_the_tasks_and_seeds_that_both_have() -> None:
    fast, slow = np.array([0.2, 0.1]), np.array([0.8, 0.4])
    seeds = {("ours", "a"): 2, ("ours", "b"): 2, ("stock", "a"): 3, ("stock", "c"): 1}
    table = efficiency.Table.of(
        ({"family": "f", "workers": 4, "strategy": strategy, "task": name, "seed": seed}, fast if name == "a" else slow)
        for (strategy, name), count in seeds.items()
        for seed in range(count)
    )
    assert efficiency.with_interval(table, "f", 4, ("ours", "stock"))[0] == 1.0
    both = table.shared("f", 4, ("ours", "stock")).cells
    assert {key[2]: {task: len(runs) for task, runs in tasks.items()} for key, tasks in both.items()} == {
        "ours": {"a": 2},
        "stock": {"a": 2},
    }


def test_no_search_beats_one_that_knows_the_right_row() -> None:
    made = task([[0.1, 0.9], [0.3, 0.4]])
    times = np.array([0.9, 1.6, 2.6])
    assert virtual.least_regret(made, times, startup=0.5).tolist() == pytest.approx([1.0, 1.0, 0.0])
    found = virtual.regret(virtual.run(Scripted(), made, workers=2, budget=3, startup=0.5), made, times)
    assert (found >= virtual.least_regret(made, times, startup=0.5)).all()


@pytest.mark.slow
def test_each_part_changes_the_search_and_comes_back() -> None:
    made = tables.held_out(tables.families(None)["lcbench"])[0]

    def searched(part: str | None) -> list[tuple[object, ...]]:
        ours = Ours(made, seed=1)
        with ablation.without(part):
            virtual.run(ours, made, workers=4, budget=0.15 * made.full, startup=0.2)
        return [tuple(trial.params.values()) for trial in ours.trials.values()]

    whole = searched(None)
    assert [part for part in ablation.PARTS if searched(part) == whole] == []
    assert searched(None) == whole


@pytest.mark.slow
def test_synthetic_tasks_are_searched_and_drawn(tmp_path: Path) -> None:
    made = tables.held_out(tables.families(None)["lcbench"])[0]
    results = []
    for seed in range(2):
        trace = virtual.run(Ours(made, seed=seed), made, workers=4, budget=made.full / 2, startup=0.2)
        curve = virtual.regret(trace, made, np.linspace(0.1, 0.5, 10) * made.full)
        cell = {"family": "lcbench", "workers": 4, "strategy": "ours", "task": made.name, "seed": seed}
        results.append((cell, curve))
        assert curve[-1] < 0.35
    efficiency.draw(efficiency.Table.of(results), tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000


@pytest.mark.slow
def test_a_misleading_study_says_the_opposite() -> None:
    made = tables.open_to_all(tables.families(None)["quicktune"])[0]
    told = past.study(made, full=0.3)
    assert [-trial.score for trial in told.trials] == [trial.score for trial in past.misleading(told).trials]
    assert past.weighed(told, 0.8).similarity == 0.8


def test_the_most_similar_tasks_teach_where_statistics_are_known() -> None:
    known = [
        Task("q", name, SPACE, np.zeros((1, 2)), np.ones(2), [], [], 3, {"images": images, "classes": 10.0})
        for name, images in (("a", 100.0), ("b", 1000.0), ("c", 110.0), ("d", 90.0), ("e", 1e5))
    ]
    found = past.alike(known[0], known[1:], seed=0)
    assert [other.name for other, _ in found] == ["c", "d", "b"]
    assert all(0 < similar <= 1 for _, similar in found)


def test_freeze_thaw_trains_the_promising_to_the_end_and_leaves_others_paused() -> None:
    rows = [[height * (1 - 0.5**epoch) for epoch in range(1, 10)] for height in np.linspace(0.1, 0.9, 9)]
    made = replace(task(rows), max_epochs=9)
    search = FreezeThaw(made, seed=0, start=Start(1))
    virtual.run(search, made, workers=1, budget=60, startup=0)
    lengths = {number: trial.epoch for number, trial in search.trials.items()}
    assert set(lengths.values()) > {9}
    best = max(search.trials, key=lambda number: search.trials[number].best("val/value") or 0.0)
    assert lengths[best] == 9


def test_the_improvement_of_a_sure_forecast_is_its_distance() -> None:
    assert improvement(Forecast(0.5, 0.5, 0.5), over=0.4) == pytest.approx(0.1)
    assert improvement(Forecast(0.3, 0.3, 0.3), over=0.4) == 0
    assert 0 < improvement(Forecast(0.3, 0.2, 0.5), over=0.4) < 0.1


def test_a_lucky_look_does_not_advance_where_the_model_ranks() -> None:
    made = replace(task([[0.1] * 9] * 9), max_epochs=9)
    search = ModelRanks(made, seed=0, start=Start(1, lengths={"lr": 0.3}))
    rung = search._scheduler._rungs[1]
    for number, place in enumerate([0.0, 0.1, 0.2, 0.3, 0.7, 0.8, 0.9, 1.0]):
        search.told(number, {"lr": place, "model": "n"})
        value = 0.1 if place < 0.5 else 0.5
        search.measured(number, epoch=1, value=0.6 if place == 0.1 else value, seconds=1.0)
    search._sampler.invalidate()
    with noisy_looks.known():
        worth = search._worth(rung)
    assert max(rung.entries, key=lambda number: rung.entries[number][0]) == 1, "the lucky one is first by value"
    assert max(worth, key=lambda number: worth[number]) in {4, 5, 6, 7}
