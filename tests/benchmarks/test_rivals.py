"""The rivals of the benchmark: other packages' classes, driven in virtual time as their own controllers drive them."""

import heapq
import math
import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from optuna.trial import TrialState
from ultralytics.utils.tuner import _resolve_ray_search_alg

from automl.study import Answer, Params
from automl.study.space import Choice, Integer, Real, SearchSpace
from benchmarks.rivals import NAMES, PLAIN, genetic, make, pruners, tune, why_not
from benchmarks.rivals.protocol import Strategy
from benchmarks.rivals.search_settings import SearchSettings

SPACE = SearchSpace({
    "optimizer": Choice(("SGD", "AdamW"), "AdamW"),
    "lr0": Real(1e-5, 1.0, default=1e-4, log=True),
    "momentum": Real(0.0, 1.0, default=0.9, when={"optimizer": ["SGD"]}),
    "layers": Integer(1, 64, default=4, log=True),
    "warmup": Integer(0, 5, default=3),
})  # fmt: skip
EPOCHS = 27
THINKING = {"mobster", "hypertune", "dyhpo", "syne_bore"}
SLOW = THINKING | {"optuna_halving", "syne_bohb"}


@dataclass
class Race:
    """What a run in virtual time did."""

    best: float = 0.0
    starts: list[tuple[int, Params]] = field(default_factory=list)
    answers: list[tuple[int, int, Answer]] = field(default_factory=list)

    @property
    def resumed(self) -> dict[int, int]:
        return {number: times for number, times in Counter(n for n, _ in self.starts).items() if times > 1}


def height(params: Params) -> float:
    """A smooth hill: best at lr0 = 0.02 under SGD."""
    apart = abs(math.log10(float(params["lr0"])) + 1.7) / 5
    return 0.9 - 0.7 * apart - 0.1 * (params["optimizer"] == "AdamW") - 0.02 * abs(int(params["warmup"]) - 2)


def curve(params: Params, epoch: int) -> float:
    return max(0.0, height(params)) * (1 - math.exp(-0.3 * epoch))


def race(
    strategy: Strategy,
    *,
    budget: float = 6 * EPOCHS,
    epochs: int = EPOCHS,
    workers: int = 4,
    value: Callable[[Params, int], float] = curve,
) -> Race:
    """Run in virtual time, one second an epoch, until the budget of seconds is spent."""
    done, params = Race(), dict[int, Params]()
    at: Counter[int] = Counter()
    events: list[tuple[float, int]] = []
    now, idle = 0.0, workers
    while now <= budget:
        while idle and (work := strategy.next()):
            done.starts.append(work)
            params.setdefault(*work)
            heapq.heappush(events, (now + 1, work[0]))
            idle -= 1
        if not events:
            break
        now, number = heapq.heappop(events)
        at[number] += 1
        seen = value(params[number], at[number])
        done.best = max(done.best, seen)
        answer = strategy.measured(number, epoch=at[number], value=seen, seconds=1.0)
        done.answers.append((number, at[number], answer))
        if answer is Answer.CONTINUE and at[number] < epochs:
            heapq.heappush(events, (now + 1, number))
            continue
        if answer is Answer.CONTINUE:
            strategy.ended(number)
        idle += 1
    return done


def rival(name: str, *, seed: int = 0, epochs: int = EPOCHS) -> Strategy:
    if reason := why_not(name):
        pytest.skip(reason)
    return make(name, SPACE, max_epochs=epochs, seed=seed, workers=4)


def marked(*names: str) -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.slow if is_slow(name) else ()) for name in names]


def is_slow(name: str) -> bool:
    return name.removesuffix("_default") in SLOW


def short(name: str) -> float:
    """Return seconds enough to start, to compare and, where a rival does, to pause."""
    return 20 if name.removesuffix("_default") in THINKING else 2 * EPOCHS


@pytest.fixture(scope="module")
def luck() -> float:
    """What full-length random search finds in the same time, on average."""
    return statistics.mean(race(rival("random", seed=seed)).best for seed in range(10))


NOT_ALWAYS_BETTER = {"random", "genetic", "syne_bore", "look_then_train", "pasha"}
"""The last two draw at random, and a fixed number of trials."""


@pytest.mark.parametrize("name", marked(*(name for name in PLAIN if name not in NOT_ALWAYS_BETTER)))
def test_a_rival_beats_full_length_random_search(name: str, luck: float) -> None:
    budget = 2 * EPOCHS if name in THINKING else 6 * EPOCHS

    assert race(rival(name, seed=3), budget=budget).best > luck


@pytest.mark.parametrize("name", marked(*NAMES))
def test_all_params_of_a_rival_lie_in_the_space(name: str) -> None:
    starts = race(rival(name), budget=short(name)).starts

    assert len(starts) > 4
    assert [params for _, params in starts if not SPACE.contains(params)] == []


@pytest.mark.parametrize("name", marked(*PLAIN))
def test_a_seed_repeats_a_run_and_another_does_not(name: str) -> None:
    first, again, other = (race(rival(name, seed=seed), budget=short(name)) for seed in (1, 1, 2))

    assert (first.starts, first.answers) == (again.starts, again.answers)
    assert first.starts != other.starts


@pytest.mark.parametrize("name", marked(*(name for name in NAMES if name.endswith("_default")), "genetic"))
def test_a_rival_given_the_defaults_tries_them_first(name: str) -> None:
    assert rival(name).next() == (0, SPACE.defaults())


@pytest.mark.parametrize("name", marked("mobster", "hypertune", "dyhpo"))
def test_a_paused_trial_goes_on_after_its_epoch_with_its_params(name: str) -> None:
    done = race(rival(name), budget=short(name))
    paused = {number for number, _, answer in done.answers if answer is Answer.PAUSE}
    params = dict(done.starts)

    assert done.resumed
    assert done.resumed.keys() <= paused
    assert all(work == params[number] for number, work in done.starts)


@pytest.mark.parametrize("name", marked(*PLAIN))
def test_a_trial_whose_curve_ends_early_is_no_mistake(name: str) -> None:
    assert race(rival(name), budget=short(name), epochs=5).starts


def test_stock_stops_at_the_milestones_of_asha_and_nowhere_else() -> None:
    stock = tune.make("stock", search_settings(epochs=100))
    done = race(stock, budget=500, epochs=100)
    stopped = {epoch for _, epoch, answer in done.answers if answer is Answer.STOP}

    assert stopped == {10, 30, 90, 100}
    assert [milestone for milestone, _ in stock.scheduler._brackets[0]._rungs] == [90, 30, 10]  # type: ignore[attr-defined]


def test_stock_stops_what_lies_below_the_best_third_of_those_before_it() -> None:
    stock = rival("stock", epochs=100)
    order = [stock.next() for _ in range(4)]
    numbers = [work[0] for work in order if work]
    for number, value in zip(numbers, (0.1, 0.5, 0.3, 0.6), strict=True):
        answers = [stock.measured(number, epoch=epoch, value=value, seconds=1.0) for epoch in range(1, 11)]
        assert answers[:9] == [Answer.CONTINUE] * 9
        assert answers[9] is (
            Answer.STOP if value == 0.3 else Answer.CONTINUE
        )  # 0.3 < 0.37, two thirds up from 0.1 to 0.5


def test_a_trial_that_stock_stops_is_complete_with_its_last_value() -> None:
    stock = tune.make("stock", search_settings(epochs=100))
    done = race(stock, budget=200, epochs=100)
    told = stock.searcher._ot_study.trials  # type: ignore[attr-defined]
    stopped = {number: epoch for number, epoch, answer in done.answers if answer is Answer.STOP}
    params = dict(done.starts)

    assert len(stopped) > 10
    assert {told[number].state for number in stopped} == {TrialState.COMPLETE}
    assert all(told[n].value == pytest.approx(curve(params[n], epoch)) for n, epoch in stopped.items())
    assert all(max(told[n].intermediate_values) == epoch - 1 for n, epoch in stopped.items())


def test_tune_asks_for_one_trial_ahead() -> None:
    stock = tune.make("stock", search_settings())
    stock.next()

    assert [trial.state for trial in stock.searcher._ot_study.trials] == [TrialState.RUNNING] * 2  # type: ignore[attr-defined]


def test_stock_has_the_sampler_that_ultralytics_gives_it() -> None:
    theirs, _, _ = _resolve_ray_search_alg("optuna", "detect", {}, 300)
    ours = tune.make("stock", search_settings()).searcher

    assert ours.metric == theirs.metric  # type: ignore[attr-defined]
    assert settings(ours._sampler) == settings(theirs._sampler)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("optuna_hyperband", 60),
        ("optuna_median", 108),
        pytest.param("optuna_halving", 54, marks=pytest.mark.slow),
    ],
)
def test_a_trial_that_optuna_stops_is_told_as_pruned(name: str, budget: float) -> None:
    strategy = pruners.make(name, search_settings())
    done = race(strategy, budget=budget)
    stopped = {number for number, _, answer in done.answers if answer is Answer.STOP}
    full = {number for number, epoch, answer in done.answers if epoch == EPOCHS and answer is Answer.CONTINUE}

    assert stopped
    assert full
    assert {strategy.study.trials[number].state for number in stopped} == {TrialState.PRUNED}
    assert {strategy.study.trials[number].state for number in full} == {TrialState.COMPLETE}


def test_the_genetic_tuner_is_told_the_best_epoch_and_moves_numbers_only() -> None:
    strategy = genetic.Genetic(search_settings())
    done = race(strategy, value=lambda params, epoch: height(params) * (1 - 0.01 * abs(epoch - 9)))
    first = strategy.tuner._load_local_results()[0]

    assert first["fitness"] == pytest.approx(height(SPACE.defaults()), abs=1e-5)
    assert {params["optimizer"] for _, params in done.starts} == {"AdamW"}
    assert len({params["lr0"] for _, params in done.starts}) > 5


def test_the_genetic_tuner_climbs_a_hill_in_natural_units() -> None:
    def hill(params: Params, epoch: int) -> float:
        apart = [float(params["lr0"]) - 0.6, int(params["layers"]) / 64 - 0.6, int(params["warmup"]) / 5 - 0.2]
        return (1 - sum(axis**2 for axis in apart)) * epoch / EPOCHS

    longer = 25 * EPOCHS
    lucky = [race(rival("random", seed=seed), value=hill, budget=longer).best for seed in range(5)]

    assert race(rival("genetic"), value=hill, budget=longer).best > max(lucky)


def test_a_rival_that_does_not_exist_is_named() -> None:
    with pytest.raises(KeyError, match=r"must be one of .* but got 'best'"):
        make("best", SPACE, max_epochs=9, seed=0, workers=4)


def test_a_rival_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.rivals.find_spec", lambda _: None)

    missing = r"syne-tune is not installed; pip install 'yolo-automl-ray\[bench\]'"
    with pytest.raises(ModuleNotFoundError, match=missing):
        make("syne_bohb", SPACE, max_epochs=9, seed=0, workers=4)


def search_settings(*, epochs: int = EPOCHS) -> SearchSettings:
    return SearchSettings(SPACE, max_epochs=epochs, seed=0, workers=4)


def settings(sampler: Any) -> dict[str, Any]:
    """Return what a sampler was made with, without its generators."""
    return {name: value for name, value in vars(sampler).items() if isinstance(value, bool | int | float)}
