"""What may change in a description after its study began, and what is said where it may not."""

import pytest

from automl.study.extension import Change, applied, changes, history, latest, may_change, outdated, refusals
from tests.builders import spec_of

SIX = spec_of(budget={"trials": 6})


@pytest.mark.parametrize("key", ["budget.trials", "budget.hours", "resources.cpus", "retention.keep",
                                 "confirm.retrainings", "tracking.mlflow"])  # fmt: skip
def test_these_keys_may_change(key: str) -> None:
    assert may_change(key)


@pytest.mark.parametrize(
    ("changed", "why"),
    [({"seed": 3}, "seed: 0 there, 3 here (the trials so far were drawn with the old value)"),
     ({"train": {"imgsz": 64}}, "train.imgsz: 'nothing' there, 64 here (trials of both would not be comparable)"),
     ({"gates": {"min_gain": 0.1}}, "gates.min_gain: 0.0 there, 0.1 here (the rules of the verdict must be set"),
     ({"confirm": {"seeds": 2}}, "confirm.seeds: 'auto' there, 2 here (the rules")],
)  # fmt: skip
def test_any_other_is_refused_with_the_reason(changed: dict[str, object], why: str) -> None:
    wanted = spec_of(**changed)
    found = changes(spec_of(), wanted)
    assert not any(map(may_change, found))
    (line,) = refusals(spec_of(), wanted, found)
    assert line.startswith(why)


def test_changes_are_applied_and_read_again() -> None:
    change = Change("2026-01-01", "me", changes(spec_of(), SIX))
    assert change.text == "budget.trials 4 -> 6"
    assert history({"changes": [change.to_dict()]}) == (change,)
    assert applied(spec_of(), latest([change])) == SIX
    assert history({}) == ()


def test_a_file_that_has_the_first_value_is_outdated() -> None:
    past = [Change("1", "me", {"budget.trials": (4, 6)}), Change("2", "me", {"budget.trials": (6, 9)})]
    assert outdated(past, spec_of()) == {"budget.trials": 9}
    assert outdated(past, SIX) == {}
