"""What another hour of a search is expected to gain."""

from dataclasses import replace

from automl.hpo.expected_gain import Gain, Rate, next_hour
from automl.study import Ending, Measurement, Trial

METRIC = "val/map50_95"
RATE = Rate(places=1, epochs=6, trial_epochs=3.0, fine_tuned=False)


def trial(number: int, values: list[float], *, ended: bool = True) -> Trial:
    measured = tuple(Measurement(epoch, {METRIC: value}, 10.0) for epoch, value in enumerate(values, 1))
    one = Trial(number=number, params={}, seed=0, measurements=measured)
    return replace(one, ending=Ending(final=measured[-1])) if ended else one


FLAT = [trial(number, [0.3, 0.4, 0.5, 0.5, 0.5, 0.5 - number / 1000]) for number in range(6)]
RISING = trial(9, [0.2, 0.4, 0.6], ended=False)


def gain(*trials: Trial, rate: Rate = RATE, seconds: float = 60.0) -> float:
    found = next_hour(trials, metric=METRIC, rate=rate, seconds=seconds)
    return found.mean if found else -1.0


def test_nothing_is_expected_of_few_trials() -> None:
    assert next_hour(FLAT[:4], metric=METRIC, rate=RATE) is None


def test_nothing_is_gained_where_all_trials_end_alike() -> None:
    assert gain(*FLAT) < 0.002 < gain(*FLAT, RISING, seconds=40.0)


def test_a_longer_time_and_more_places_never_gain_less() -> None:
    short, long = gain(*FLAT, RISING, seconds=5.0), gain(*FLAT, RISING, seconds=600.0)
    assert short <= gain(*FLAT, RISING) <= long
    assert gain(*FLAT, RISING, rate=replace(RATE, places=4), seconds=60.0) >= gain(*FLAT, RISING)


def test_the_text_has_mean_and_deviation() -> None:
    assert str(Gain(0.0024, 0.0041)) == "+0.002 ± 0.004"
