"""Which trials hang, by a clock that the test sets."""

import pytest

from automl.trials.hang import HangDetector
from tests.simulated_study import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock: Clock) -> HangDetector:
    watch = HangDetector(60.0, clock)
    watch.due()
    return watch


def run(watch: HangDetector, clock: Clock, *, seconds: float, tokens: dict[int, object]) -> dict[int, str]:
    """Let time pass in the steps of a driver that is well, and return what hangs in the end."""
    found: dict[int, str] = {}
    until = clock.now + seconds
    while clock.now < until:
        clock.now += 6
        assert watch.due()
        found = watch.check(tokens)
    return found


def test_a_trial_without_a_heartbeat_hangs_after_the_timeout(watch: HangDetector, clock: Clock) -> None:
    assert run(watch, clock, seconds=60, tokens={1: "a"}) == {}

    assert run(watch, clock, seconds=12, tokens={1: "a"}) == {1: "no heartbeat for 66 s"}


def test_each_heartbeat_restarts_the_timeout(watch: HangDetector, clock: Clock) -> None:
    for sign in range(10):
        assert run(watch, clock, seconds=54, tokens={1: sign}) == {}


def test_a_trial_without_a_first_heartbeat_does_not_hang(watch: HangDetector, clock: Clock) -> None:
    assert run(watch, clock, seconds=600, tokens={1: None}) == {}


def beats_for(watch: HangDetector, clock: Clock, *, seconds: float) -> dict[int, str]:
    """Let time pass while a trial is heard all the time."""
    found: dict[int, str] = {}
    for _ in range(int(seconds / 6)):
        found = run(watch, clock, seconds=6, tokens={1: clock.now})
    return found


def test_an_epoch_that_takes_ten_times_its_longest_hangs_in_spite_of_heartbeats(
    watch: HangDetector, clock: Clock
) -> None:
    beats_for(watch, clock, seconds=12)
    watch.measured(1, 20.0, validated=True)
    assert beats_for(watch, clock, seconds=198) == {}

    found = beats_for(watch, clock, seconds=12)

    assert found == {1: "its epoch takes longer than 200 s; its longest so far took 20 s"}
    watch.measured(1, 20.0, validated=True)
    assert watch.check({1: "now"}) == {}


def test_a_start_that_takes_long_is_no_hanging(watch: HangDetector, clock: Clock) -> None:
    watch.measured(2, 1.0, validated=True)

    assert beats_for(watch, clock, seconds=6000) == {}


def test_the_time_counts_from_the_first_epoch_that_was_validated(watch: HangDetector, clock: Clock) -> None:
    beats_for(watch, clock, seconds=12)
    watch.measured(1, 1.0, validated=False)
    assert beats_for(watch, clock, seconds=600) == {}
    watch.measured(1, 400.0, validated=True)
    watch.measured(1, 1.0, validated=False)
    assert beats_for(watch, clock, seconds=3900) == {}

    assert beats_for(watch, clock, seconds=200) != {}


def test_after_the_last_epoch_no_time_counts(watch: HangDetector, clock: Clock) -> None:
    beats_for(watch, clock, seconds=12)
    watch.measured(1, 1.0, validated=True)
    watch.unlimited(1)

    assert beats_for(watch, clock, seconds=6000) == {}


def test_a_suspended_driver_restarts_all_timeouts(watch: HangDetector, clock: Clock) -> None:
    run(watch, clock, seconds=12, tokens={1: "a"})
    clock.now += 600

    assert watch.due()
    assert watch.check({1: "a"}) == {}


def test_a_released_trial_is_forgotten(watch: HangDetector, clock: Clock) -> None:
    run(watch, clock, seconds=54, tokens={1: "a"})
    watch.forget(1)

    assert run(watch, clock, seconds=54, tokens={1: "a"}) == {}


def test_checks_are_some_seconds_apart(watch: HangDetector, clock: Clock) -> None:
    clock.now += 1
    assert not watch.due()
