"""What to try next: reproducible, never outside the space, and the same after an interruption."""

import math
from collections.abc import Mapping
from dataclasses import replace
from math import log10

import numpy as np
import pytest

from automl.hpo.sampler.gaussian_process import Model
from automl.hpo.sampler.sampler import STARTS
from automl.study import Ending, EndReason, Measurement, Params
from automl.study.space import Choice, Integer, Real, SearchSpace
from tests.builders import failed, measurement, space_of
from tests.played_trials import SPACE, Story, resumed, sampler_of
from tests.simulated_study import number

SPACES: Mapping[str, SearchSpace] = {
    "one real": space_of(lr0=Real(1e-4, 0.1, 0.01, log=True)),
    "one integer": space_of(batch=Integer(1, 3, 2)),
    "one choice": space_of(optimizer=Choice(("SGD", "AdamW"), "SGD")),
    "one point": space_of(optimizer=Choice(("SGD",), "SGD")),
    "choices only": space_of(optimizer=Choice(("SGD", "AdamW"), "SGD"), nbs=Choice((16, 32, 64), 64)),
    "mixed": SPACE,
    "conditions on conditions": space_of(
        optimizer=Choice(("SGD", "AdamW"), "SGD"),
        nesterov=Choice((True, False), True, when={"optimizer": ("SGD",)}),
        momentum=Real(0.5, 0.99, 0.9, when={"nesterov": (True,)}),
    ),
}


def rate(params: Params) -> float:
    """A value that is best at a learning rate of 0.03, and with AdamW."""
    return 0.8 - 0.2 * abs(log10(number(params["lr0"]) / 0.03)) - 0.1 * (params["optimizer"] == "SGD")


def played(count: int, *, seed: int = 0) -> Story:
    """Most trials complete, some are stopped, some fail, one in four on a lost worker."""
    story = Story(sampler_of(seed=seed))
    for trial in range(count):
        if trial % 4 == 3:
            story.fail(kind=EndReason.LOST if trial % 8 == 3 else None)
        elif trial % 4 == 1:
            stopped = story.start()
            story.measure(stopped.number, measurement(1, rate(stopped.params) / 6))
            story.end(stopped.number, Ending(pruned="rank 3 of 3"))
        else:
            story.complete(rate)
    return story


@pytest.fixture(scope="module")
def whole() -> Story:
    """A study of 14 trials that nobody continues."""
    return played(14)


def test_the_first_params_are_the_default() -> None:
    assert sampler_of().draw() == (SPACE.defaults(), "default")


def test_a_draw_is_not_remembered_until_the_trial_is_added() -> None:
    story = played(9)
    assert story.sampler.draw() == story.sampler.draw() == story.sampler.draw()


@pytest.mark.parametrize("error", [np.linalg.LinAlgError("singular"), RuntimeError("cholesky"), ZeroDivisionError()])
def test_a_model_that_fails_gives_way_to_a_random_draw_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Model, "fit", fail)
    story = played(12)
    assert "model" not in story.origins
    assert {trial.params["optimizer"] for trial in story.trials} == {"SGD", "AdamW"}
    assert [message[:25] for message in caplog.messages] == ["sampler: its model failed"]
    assert type(error).__name__ in caplog.messages[0]


def test_a_draw_in_place_of_the_model_s_is_the_same_in_each_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "fit", lambda *_, **__: math.sqrt(-1))
    assert [trial.params for trial in played(12).trials] == [trial.params for trial in played(12).trials]


@pytest.mark.slow
def test_a_few_starts_come_before_the_model() -> None:
    story = Story(sampler_of())
    for _ in range(30):
        story.complete(rate)
    assert story.origins[0] == "default"
    assert set(story.origins[1 : STARTS + 1]) == {"near default", "random"}
    later = story.origins[STARTS + 1 :]
    assert set(later) <= {"model", "random"}
    assert later.count("model") > 4 * later.count("random")


def test_a_model_is_asked_only_when_three_trials_show_something() -> None:
    story = Story(sampler_of())
    for _ in range(12):
        story.fail()
    for _ in range(2):
        story.complete(rate)
    story.start()
    assert "model" not in story.origins
    story.measure(14, measurement(1, 0.1))
    for _ in range(4):
        story.start()
    assert "model" in story.origins[15:]


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_what_is_drawn_lies_in_the_space(name: str) -> None:
    story = Story(sampler_of(SPACES[name]))
    for trial in range(14):
        story.complete(lambda _params, value=trial: value * 7 % 5 / 10)  # type: ignore[misc]
    assert all(SPACES[name].contains(trial.params) for trial in story.trials)
    assert "model" in story.origins


@pytest.mark.slow
def test_every_choice_and_condition_is_drawn(whole: Story) -> None:
    assert {trial.params["optimizer"] for trial in whole.trials} == {"SGD", "AdamW"}
    assert all(("momentum" in trial.params) is (trial.params["optimizer"] == "SGD") for trial in whole.trials)


@pytest.mark.slow
def test_the_same_seed_draws_the_same_and_another_seed_does_not() -> None:
    one, same, other = played(12), played(12), played(12, seed=1)
    assert one.trials == same.trials
    assert [trial.params for trial in one.trials[1:]] != [trial.params for trial in other.trials[1:]]


@pytest.mark.slow
@pytest.mark.parametrize("cut", range(14))
def test_a_study_cut_after_any_trial_draws_what_the_unbroken_one_would_have(whole: Story, cut: int) -> None:
    again = resumed(whole.trials[:cut], sampler_of())
    params, origin = again.sampler.draw()
    assert (params, origin) == (whole.trials[cut].params, whole.origins[cut])


@pytest.mark.parametrize("running", [1, 3])
def test_trials_that_run_without_a_word_are_known_again(running: int) -> None:
    whole = played(9)
    for _ in range(running):
        whole.start()
    again = resumed(whole.trials, sampler_of())
    drawn = [[story.start().params for _ in range(2)] for story in (whole, again)]
    assert drawn[0] == drawn[1]


@pytest.mark.slow
def test_a_trial_that_stands_at_a_rung_is_told_of_as_any_other() -> None:
    whole = played(9)
    stood = whole.start()
    whole.measure(stood.number, measurement(1, 0.7))
    whole.sampler.invalidate()
    again = resumed(whole.trials, sampler_of())
    for story in (whole, again):
        assert story.start().params == whole.trials[10].params
        story.measure(stood.number, measurement(2, 0.75))
        story.end(stood.number, Ending(pruned="rank 9 of 9"))
    assert whole.start().params == again.start().params


def test_trials_that_run_side_by_side_get_different_params() -> None:
    story = played(9)
    for _ in range(8):
        story.start()
    assert len({tuple(sorted(trial.params.items())) for trial in story.trials}) == 17


def test_a_value_counts_from_the_next_rung_on() -> None:
    one, other = played(9), played(9)
    for story, value in ((one, 0.0), (other, 0.9)):
        story.start()
        story.measure(9, measurement(1, value))
    assert one.start().params == other.start().params
    for story in (one, other):
        story.sampler.invalidate()
    assert one.start().params != other.start().params


def test_a_study_of_failures_only_still_draws() -> None:
    story = resumed([failed(trial) for trial in range(10)], sampler_of())
    for _ in range(10):
        assert SPACE.contains(story.fail().params)
    assert set(story.origins[10:]) == {"near default", "random"}


def test_equal_values_tell_nothing_and_stop_nothing() -> None:
    story = Story(sampler_of())
    for _ in range(14):
        story.complete(lambda _params: 0.5)
    assert len({tuple(sorted(trial.params.items())) for trial in story.trials}) == 14


def test_an_epoch_that_was_not_validated_has_no_value() -> None:
    story, silent = played(9), played(9)
    for told in (story, silent):
        told.start()
    for epoch in (1, 2):
        story.measure(9, Measurement(epoch, {"train/box_loss": 1.0}, seconds=2.0))
    story.sampler.invalidate()
    silent.sampler.invalidate()
    assert story.start().params == silent.start().params
    story.measure(9, measurement(3, 0.5))
    story.sampler.invalidate()
    assert SPACE.contains(story.start().params)


@pytest.mark.slow
def test_a_stopped_trial_s_low_value_does_not_pass_for_a_bad_end() -> None:
    """Of two regions the better one is slow at first: its stopped trials stand low, and still it is looked at."""
    space = space_of(optimizer=Choice(("slow", "fast"), "fast"), lr0=Real(0.0, 1.0, 0.5))
    story = Story(sampler_of(space))
    for trial in range(26):
        slow = story.start().params["optimizer"] == "slow"
        curve = [0.1, 0.3, 0.5, 0.7, 0.8, 0.9] if slow else [0.2, 0.21, 0.22, 0.23, 0.24, 0.25]
        for epoch, value in enumerate(curve[: 2 + 4 * (trial % 3 == 0)], start=1):
            story.measure(trial, measurement(epoch, value + number(story.trials[trial].params["lr0"]) / 50))
        whole = story.trials[trial].epoch == 6
        story.end(trial, Ending(final=measurement(6, curve[-1])) if whole else Ending(pruned="rank 3 of 3"))
    drawn = [params["optimizer"] for params in story.drawn("model")]
    assert drawn.count("slow") > drawn.count("fast")


@pytest.mark.slow
def test_the_model_looks_where_results_are_good() -> None:
    story = Story(sampler_of())
    for _ in range(26):
        story.complete(rate)
    drawn = story.drawn("model")
    good = sum(0.01 < number(params["lr0"]) < 0.09 and params["optimizer"] == "AdamW" for params in drawn)
    assert good > len(drawn) / 2  # chance alone gives one in six
    assert max(rate(trial.params) for trial in story.trials) > 0.78


def test_the_order_of_what_is_told_of_a_trial_does_not_matter_to_the_next() -> None:
    whole = played(9)
    trial = replace(whole.trials[8], ending=None)
    again = resumed([*whole.trials[:8], trial], sampler_of())
    assert whole.trials[8].ending is not None
    again.end(8, whole.trials[8].ending)
    assert again.start().params == whole.start().params
