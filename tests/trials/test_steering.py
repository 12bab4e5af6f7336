"""Commands to a running study: cancel a trial, enqueue params, extend the budget; in virtual time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from automl.storage.journal import Journal
from automl.study import EndReason, Job, State
from automl.study.errors import StudyError
from automl.study.extension import Change, history
from automl.study.load import stored
from automl.trials import cancellation, commands, steering
from automl.trials.commands import Command, Kind
from automl.trials.manager import TrialManager
from tests.builders import METRIC, failed, spec_of, trial_of
from tests.builders import SPEC as BASIS
from tests.simulated_study import Clock, open_search, saturating, simulate

SPEC = spec_of(budget={"trials": 6})
TRIED = {"lr0": 0.02, "optimizer": "AdamW"}


def obeyed(source: TrialManager, *sent: Command) -> list[commands.Reply | None]:
    """Execute all commands and return their answers."""
    source.steering.execute(source, now=True)
    return [commands.answer_to(source.context.folder, command, seconds=0) for command in sent]


def played(source: TrialManager, done: Callable[[Job, int], None] = lambda _job, _epoch: None) -> None:
    """Run a study to its end; `done` is called before each epoch."""

    def curve(job: Job, epoch: int) -> float:
        done(job, epoch)
        return saturating(job, epoch)

    simulate(source, curve, clock=Clock())


def test_a_running_trial_is_canceled_and_the_study_goes_on(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC, workers=2)

    def cancel(job: Job, epoch: int) -> None:
        if (job.number, epoch) == (2, 2):
            (reply,) = obeyed(source, commands.send(tmp_path, Kind.CANCEL, {"trial": 2}))
            assert reply == commands.Reply(accepted=True, text="trial 2 is canceled")

    played(source, cancel)

    trial = Journal.read(tmp_path, metric=METRIC).trials()[2]
    assert trial.ending
    assert (trial.state, trial.ending.reason, source.canceled) == (State.PRUNED, EndReason.CANCELED, {2})
    assert (len(source.trials), source.finished, commands.waiting(tmp_path)) == (6, True, [])


def test_a_waiting_trial_is_canceled_without_a_worker(tmp_path: Path) -> None:
    first = open_search(tmp_path, SPEC, workers=2)
    simulate(first, saturating, clock=Clock(), until=lambda: any(trial.number == 3 for trial in first.trials))
    number = next(trial.number for trial in first.trials[1:] if not trial.ending)
    resumed = open_search(tmp_path, SPEC, workers=2)

    obeyed(resumed, commands.send(tmp_path, Kind.CANCEL, {"trial": number}))

    assert (resumed.trials[number].state, resumed.canceled) == (State.PRUNED, set())
    played(resumed)
    assert resumed.finished


@pytest.mark.parametrize(
    ("number", "law"),
    [(0, "it is the baseline"), (1, "must not have ended, but it failed"), (7, "trials 0 to 1 have begun")],
)
def test_a_trial_that_cannot_be_canceled_is_named_with_the_reason(number: int, law: str) -> None:
    with pytest.raises(StudyError, match=law):
        cancellation.check(number, [trial_of(0), failed(1)])


def test_enqueued_params_are_tried_next_with_defaults_and_once(tmp_path: Path) -> None:
    first = open_search(tmp_path, SPEC)
    simulate(first, saturating, clock=Clock(), until=lambda: len(first.trials) > 1)
    count = len(first.trials)
    resumed = open_search(tmp_path, SPEC)  # the command was sent while no driver ran
    sent = [commands.send(tmp_path, Kind.ENQUEUE, {"params": {"lr0": 0.02, "optimizer": "AdamW"}}) for _ in range(2)]

    replies = obeyed(resumed, *sent)
    again = open_search(tmp_path, SPEC)  # killed before the trial began: the queue is in the journal
    played(again)

    assert all(reply and reply.accepted for reply in replies)
    assert again.trials[count].params == TRIED
    assert [trial.number for trial in again.trials if trial.origin == "enqueued"] == [count]
    assert not open_search(tmp_path, SPEC).steering.queue


def test_the_baseline_comes_before_the_queue(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)
    obeyed(source, commands.send(tmp_path, Kind.ENQUEUE, {"params": TRIED}))
    played(source)
    assert [trial.origin for trial in source.trials[:2]] == ["default", "enqueued"]


@pytest.mark.parametrize(
    ("params", "law"),
    [({"lr0": 5}, "lr0: must be a number from 0.001 to 0.1, but got 5"), ({"lr": 1}, "lr: is not in the space; did"),
     ({"optimizer": "Lion"}, "optimizer: must be one of SGD, AdamW")],
)  # fmt: skip
def test_params_outside_the_space_are_refused(tmp_path: Path, params: dict[str, object], law: str) -> None:
    source = open_search(tmp_path, SPEC)
    (reply,) = obeyed(source, commands.send(tmp_path, Kind.ENQUEUE, {"params": params}))
    assert reply
    assert not reply.accepted
    assert law in reply.text
    assert not source.steering.queue


def test_enqueued_params_whose_structure_breaks_a_constraint_are_refused(tmp_path: Path) -> None:
    laws = {"metric": "map50_95", "constraints": ["latency_ms <= 8 on onnx"]}
    sizes = {**dict(BASIS["space"]), "imgsz": {"choices": [32, 64], "default": 32}}
    source = open_search(tmp_path, spec_of(objective=laws, space=sizes))
    source.use(replace(source.context, allowed=({"imgsz": 32},)))
    sent = [commands.send(tmp_path, Kind.ENQUEUE, {"params": {"imgsz": size}}) for size in (32, 64)]
    held, broken = obeyed(source, *sent)
    assert held
    assert held.accepted
    assert broken
    assert not broken.accepted
    assert broken.text == (
        "enqueued params: latency_ms <= 8 on onnx must hold, but imgsz=64 breaks it; allowed: imgsz=32"
    )
    assert len(source.steering.queue) == 1


def test_a_running_study_gets_more_trials(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)

    def extend(job: Job, epoch: int) -> None:
        if (job.number, epoch) == (5, 2):
            obeyed(source, commands.send(tmp_path, Kind.EXTEND, {"keys": {"budget.trials": [6, 9]}}))

    played(source, extend)

    assert len(source.trials) == 9
    assert stored(tmp_path / "study.yaml").budget.trials == 9
    (change,) = history(Journal.read(tmp_path, metric=METRIC).notes())
    assert change.text == "budget.trials 6 -> 9"


@pytest.mark.parametrize(
    ("keys", "law"),
    [({"space.lr0": [1, 2]}, "space.lr0: must stay as the study began"), ({"budget.trials": [6, 0]}, "must be")],
)
def test_what_must_not_change_is_refused_and_nothing_is_recorded(
    tmp_path: Path, keys: dict[str, list[int]], law: str
) -> None:
    source = open_search(tmp_path, SPEC)
    (reply,) = obeyed(source, commands.send(tmp_path, Kind.EXTEND, {"keys": keys}))
    assert reply
    assert not reply.accepted
    assert law in reply.text
    assert history(source.journal.notes()) == ()


def test_fewer_trials_than_have_begun_are_refused(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)
    played(source)
    change = Change("now", "me", {"budget.trials": (6, 3)})
    with pytest.raises(
        StudyError, match=r"budget.trials: must be at least 6, since .* but got 3; --set budget.trials=6"
    ):
        steering.record(tmp_path, source.journal, SPEC, change)


def test_a_damaged_command_is_set_aside_and_others_are_executed(tmp_path: Path) -> None:
    source = open_search(tmp_path, SPEC)
    commands.send(tmp_path, Kind.ENQUEUE, {"params": TRIED})
    (tmp_path / "commands" / "0-cut.json").write_text('{"kind": "canc')
    source.steering.execute(source, now=True)
    assert source.steering.queue.first() == TRIED
    assert (tmp_path / "commands" / "0-cut.json.damaged").exists()


def test_commands_are_looked_for_once_a_second(tmp_path: Path) -> None:
    clock = Clock()
    source = open_search(tmp_path, SPEC, clock=clock)
    source.steering.execute(source)
    commands.send(tmp_path, Kind.ENQUEUE, {"params": TRIED})
    source.steering.execute(source)
    assert not source.steering.queue
    clock.now = 2.0
    source.steering.execute(source)
    assert source.steering.queue
