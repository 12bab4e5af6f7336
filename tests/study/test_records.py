"""The nouns derive their conclusions from facts, and survive being written as plain values."""

import dataclasses
import json
from pathlib import Path

import pytest

from automl.study import Ending, EndReason, Job, Measurement, State, errors
from automl.study.errors import AutomlError, SpecError
from tests.builders import METRIC, curve, measurement, trial_of

JOB = Job(
    folder=Path("trials/0001"), number=1, params={"lr0": 0.1, "optimizer": "SGD"}, seed=3, epochs=6, model="m.yaml",
    data="data.yaml", metric=METRIC, settings={"imgsz": 64, "freeze": [0, 1]}, split="test", gpus=0.5, threads=2,
    validate_every=3, rungs=(2,),
)  # fmt: skip


@pytest.mark.parametrize(
    ("ending", "state", "reason"),
    [
        (Ending(cause="out of memory"), State.FAILED, "out of memory"),
        (Ending(pruned="rank 2 of 2"), State.PRUNED, "rank 2 of 2"),
        (Ending(final=measurement(6, 0.5)), State.COMPLETED, "reached the last epoch"),
    ],
)
def test_a_state_follows_from_the_facts(ending: Ending, state: State, reason: str) -> None:
    assert (ending.state, ending.text) == (state, reason)
    assert trial_of(0, ending=ending).state is state


@pytest.mark.parametrize("facts", [{}, {"cause": ""}, {"cause": "lost", "pruned": "slow"}])
def test_an_ending_has_exactly_one_fact(facts: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="exactly one of cause, pruned and final must be given"):
        Ending(**facts)  # type: ignore[arg-type]


def test_a_trial_without_an_ending_runs() -> None:
    assert trial_of(0, [0.1]).state is State.RUNNING


@pytest.mark.parametrize(
    "ending", [Ending(cause="c"), Ending(pruned="p"), Ending(final=Measurement(3, {"val/loss": 0.25}, 1.5))]
)
def test_an_ending_survives_json(ending: Ending) -> None:
    assert Ending.from_dict(json.loads(json.dumps(ending.to_dict()))) == ending


def test_a_job_survives_json() -> None:
    assert Job.from_dict(json.loads(json.dumps(JOB.to_dict()))) == JOB


def test_a_job_with_an_unknown_fact_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        Job.from_dict(JOB.to_dict() | {"colour": "red"})


def test_the_best_value_is_the_highest_so_far() -> None:
    trial = trial_of(0, [0.1, 0.4, 0.2, 0.5])
    assert [trial.best(METRIC, until=epoch) for epoch in range(6)] == [None, 0.1, 0.4, 0.4, 0.5, 0.5]
    assert trial.best(METRIC) == 0.5
    assert trial_of(0).best(METRIC) is None


def test_epoch_and_seconds_follow_the_measurements() -> None:
    assert (trial_of(0).epoch, trial_of(0).seconds) == (0, 0)
    assert (trial_of(0, [0.1, 0.2]).epoch, trial_of(0, [0.1, 0.2]).seconds) == (2, 4.0)


@pytest.mark.parametrize("record", [JOB, curve([0.1])[0], trial_of(0), Ending(cause="c")])
def test_a_record_cannot_be_changed(record: object) -> None:
    field = dataclasses.fields(record)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError, match=field):
        setattr(record, field, None)


def test_every_error_of_a_user_is_an_automl_error() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    kinds.remove(errors.Interrupted)  # an event, no error
    assert len(kinds) > 5
    assert all(issubclass(kind, AutomlError) for kind in kinds)


def test_mistakes_are_kept_apart_and_told_one_a_line() -> None:
    error = SpecError(line for line in ("a: wrong", "b: wrong"))
    assert error.mistakes == ("a: wrong", "b: wrong")
    assert str(error) == "a: wrong\nb: wrong"


@pytest.mark.parametrize(
    ("plain", "reason"),
    [
        ({"cause": "worker lost 3 times in a row at epoch 4: died"}, EndReason.LOST),
        ({"pruned": "storage quota: 10 GB in use"}, EndReason.QUOTA),
        ({"pruned": "rank 4 of 4 at epoch 1"}, EndReason.RUNG),
        ({"cause": "RuntimeError: cuDNN"}, EndReason.CRASH),
    ],
)
def test_an_ending_recorded_before_kinds_were_is_read(plain: dict[str, str], reason: EndReason) -> None:
    assert Ending.from_dict(plain).reason is reason


@pytest.mark.parametrize("kind", list(EndReason))
def test_words_do_not_steer_an_ending_with_a_kind(kind: EndReason) -> None:
    ending = Ending(cause="worker lost", kind=kind)
    assert Ending.from_dict(ending.to_dict()).reason is ending.reason is kind


def test_the_best_value_follows_each_new_epoch() -> None:
    trial = trial_of(0, [0.2, 0.5])
    assert trial.best(METRIC) == 0.5
    for epoch, value in enumerate((0.4, 0.7, 0.1), start=3):
        trial = trial.followed_by(measurement(epoch, value), node="node")
        assert trial.best(METRIC) == max(m.metrics[METRIC] for m in trial.measurements)
    assert trial.followed_by(Measurement(6, {}, 1.0), node="node").best(METRIC) == 0.7
    assert dataclasses.replace(trial, measurements=()).best(METRIC) is None
