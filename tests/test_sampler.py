"""What to try next: reproducible, never outside the space, and the same after an interruption."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from automl.journal import distribution
from automl.records import Ending, Params, Trial
from automl.sampler import RANDOM_STARTS, Sampler, importances
from automl.space import SearchSpace
from tests.builders import METRIC, completed, curve, failed, measurement, mixed_space, pruned, trial_of

SPACE = mixed_space()
DISTRIBUTIONS = {name: distribution(kind) for name, kind in SPACE.parameters.items()}


def sampler_of(*, seed: int = 0, space: SearchSpace = SPACE) -> Sampler:
    distributions = {name: distribution(kind) for name, kind in space.parameters.items()}
    return Sampler(space, seed=seed, metric=METRIC, distributions=distributions)


@dataclass
class Story:
    """Plays trials through a sampler: most complete, some are pruned, some fail, the last few run."""

    sampler: Sampler
    trials: list[Trial]

    def start(self) -> Trial:
        params, _ = self.sampler.ask()
        self.trials.append(trial_of(len(self.trials), params=params))
        return self.trials[-1]

    def report(self, number: int, values: Sequence[float]) -> None:
        known = self.trials[number].epoch
        trial = self.trials[number] = replace(self.trials[number], measurements=curve(values))
        for epoch in range(known + 1, len(values) + 1):
            self.sampler.observe(number, epoch=epoch, best=trial.best(METRIC, until=epoch))

    def end(self, number: int, ending: Ending) -> None:
        self.trials[number] = replace(self.trials[number], ending=ending)
        self.sampler.tell(self.trials[number])

    def play(self, count: int) -> None:
        for number in range(len(self.trials), len(self.trials) + count):
            value = float(self.start().params["lr0"])
            kind = number % 4
            self.report(number, [value] * [6, 2, 1, 0][kind])
            endings = [Ending(final=measurement(6, value)), Ending(pruned="low"), Ending(cause="x"), Ending(cause="y")]
            self.end(number, endings[kind])


def story(*, seed: int = 0) -> Story:
    return Story(sampler_of(seed=seed), [])


def resumed(trials: Sequence[Trial], *, seed: int = 0) -> Sampler:
    sampler = sampler_of(seed=seed)
    for trial in trials:
        sampler.add(trial)
    return sampler


def test_the_first_params_are_the_default() -> None:
    assert sampler_of().ask() == (SPACE.defaults(), "default")


def test_random_starts_come_before_the_model() -> None:
    played = story()
    origins = []
    for _ in range(30):
        params, origin = played.sampler.ask()
        origins.append(origin)
        played.trials.append(trial_of(len(played.trials), params=params))
        played.end(len(origins) - 1, Ending(cause="x"))
    assert origins[: RANDOM_STARTS + 1] == ["default"] + ["random"] * RANDOM_STARTS
    later = origins[RANDOM_STARTS + 1 :]
    assert set(later) == {"tpe", "random"}
    assert later.count("tpe") > later.count("random")


def test_what_is_drawn_lies_in_the_space() -> None:
    played = story()
    played.play(16)
    assert all(SPACE.contains(trial.params) for trial in played.trials)
    assert {trial.params["optimizer"] for trial in played.trials} == {"SGD", "AdamW"}


def test_the_same_seed_draws_the_same_and_another_seed_does_not() -> None:
    one, same, other = story(), story(), story(seed=1)
    for played in (one, same, other):
        played.play(12)
    assert [trial.params for trial in one.trials] == [trial.params for trial in same.trials]
    assert [trial.params for trial in one.trials[1:]] != [trial.params for trial in other.trials[1:]]


@pytest.mark.parametrize("after", [0, 1, 3, 8, 13])
@pytest.mark.parametrize("running", [0, 2])
def test_a_resumed_study_draws_what_the_unbroken_one_would_have(after: int, running: int) -> None:
    played = story()
    played.play(after)
    for count in range(running):
        played.report(played.start().number, [0.01] * count)
    again = Story(resumed(played.trials), list(played.trials))
    drawn = [[told.start().params for _ in range(3)] for told in (played, again)]
    assert drawn[0] == drawn[1]


def test_a_running_trial_of_an_earlier_session_is_told_of_as_any_other() -> None:
    played = story()
    played.play(8)
    played.report(played.start().number, [0.01])
    again = Story(resumed(played.trials), list(played.trials))
    for told in (played, again):
        told.report(8, [0.01, 0.02])
        told.end(8, Ending(final=measurement(2, 0.02)))
    assert played.start().params == again.start().params


def test_trials_that_run_side_by_side_get_different_params() -> None:
    played = story()
    params: list[Params] = [played.start().params for _ in range(12)]
    assert len({tuple(sorted(drawn.items())) for drawn in params}) == 12


def test_a_study_of_failures_only_still_draws() -> None:
    sampler = resumed([failed(number) for number in range(10)])
    assert SPACE.contains(sampler.ask()[0])


def test_the_model_looks_where_results_are_good() -> None:
    played = story()
    for _ in range(45):
        trial = played.start()
        value = 1.0 - abs(float(trial.params["lr0"]) - 0.05) * 10
        played.report(trial.number, [value])
        played.end(trial.number, Ending(final=measurement(1, value)))
    rates = [float(trial.params["lr0"]) for trial in played.trials]
    assert sum(0.02 < rate < 0.08 for rate in rates[15:]) >= 12  # of 30; chance alone gives 6


def test_the_parameter_that_decides_is_the_most_important() -> None:
    trials = []
    for number in range(40):
        params: Params = {"optimizer": "AdamW", "lr0": 0.1 * (number + 1) / 41, "batch": 4 + number * 17 % 40}
        trials.append(completed(number, [number / 40] * 6, params=params))
    found = importances(trials, metric=METRIC, epoch=2, distributions=DISTRIBUTIONS)
    assert next(iter(found)) == "lr0"
    assert sum(found.values()) == pytest.approx(1.0)


def test_importance_counts_stopped_trials_at_the_epoch_they_share() -> None:
    params: list[Params] = [{"optimizer": "AdamW", "lr0": 0.002 * (number + 1), "batch": 8} for number in range(12)]
    at_rung = [[value / 12] * 2 for value in range(12)]
    stopped = [pruned(number, at_rung[number], params=params[number]) for number in range(12)]
    finished = [completed(number, [*at_rung[number], 1.0], params=params[number]) for number in range(12)]
    found = [importances(trials, metric=METRIC, epoch=2, distributions=DISTRIBUTIONS) for trials in (stopped, finished)]
    assert found[0] == found[1] != {}


@pytest.mark.parametrize(
    "trials",
    [
        [],
        [completed(number, [number / 4] * 3) for number in range(4)],
        [completed(number, [0.0] * 3) for number in range(10)],
        [pruned(number, [number / 10]) for number in range(10)],
    ],
    ids=["none", "too few", "all equal", "none so far"],
)
def test_importance_is_not_made_up(trials: list[Trial]) -> None:
    assert importances(trials, metric=METRIC, epoch=3, distributions=DISTRIBUTIONS) == {}
