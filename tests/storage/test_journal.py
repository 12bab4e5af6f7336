"""The study's one truth: what was recorded is read back, whole, in order, and by stock Optuna too."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from automl.storage.journal import Journal, distribution
from automl.storage.layout import JOURNAL
from automl.study import Ending, Kind, Loss, Params, Trial
from automl.study.errors import StudyError
from automl.study.space import Choice, Integer, Real
from tests.builders import METRIC, completed, failed, measurement, mixed_space, pruned, rates_space, trial_of
from tests.damage import flipped

SPACE = mixed_space()
DEFAULTS = SPACE.defaults()
TRIALS = [
    completed(0, [0.1, 0.4, 0.3], params=DEFAULTS),
    pruned(1, [0.1, 0.05], params={"optimizer": "AdamW", "lr0": 0.001, "batch": 8}),
    replace(failed(2, [0.2]), params=DEFAULTS),
    replace(failed(3), params=DEFAULTS),
    trial_of(4, [0.3], params=DEFAULTS),
    trial_of(5, params=DEFAULTS),
]


def create(folder: Path) -> Journal:
    return Journal.create(folder, name="small", metric=METRIC)


def read(folder: Path) -> Journal:
    return Journal.read(folder, metric=METRIC)


def record(journal: Journal, trial: Trial) -> None:
    """Tell the journal of a trial as a running study does."""
    number = journal.suggested(trial.params, SPACE, seed=trial.seed, origin="model")
    assert number == trial.number
    for found in trial.measurements:
        journal.measured(number, found, node=trial.node)
    if trial.ending:
        journal.ended(number, trial.ending)


def stock(folder: Path) -> optuna.Study:
    """Open the file with Optuna's own journal storage."""
    storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    return optuna.load_study(study_name="small", storage=storage)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    journal = create(tmp_path)
    for trial in TRIALS:
        record(journal, trial)
    return tmp_path


def test_every_trial_is_read_back_as_it_was(folder: Path) -> None:
    assert read(folder).trials() == TRIALS
    assert create(folder).trials() == TRIALS
    assert read(folder).dropped == ""


def test_the_writer_sees_what_a_later_reader_will(tmp_path: Path) -> None:
    journal = create(tmp_path)
    for trial in TRIALS:
        record(journal, trial)
        assert journal.trials() == read(tmp_path).trials()


def test_stock_optuna_opens_the_journal(folder: Path) -> None:
    trials = stock(folder).get_trials()
    states = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.FAIL, *[TrialState.RUNNING] * 2]
    assert [trial.state for trial in trials] == states
    assert [trial.params for trial in trials] == [dict(trial.params) for trial in TRIALS]
    assert trials[1].intermediate_values == {1: 0.1, 2: 0.05}


def test_a_completed_trial_counts_with_its_best_and_a_pruned_one_with_its_last_value(folder: Path) -> None:
    trials = stock(folder).get_trials()
    assert [trial.value for trial in trials[:4]] == [0.4, 0.05, None, None]
    assert stock(folder).best_trial.number == 0


def test_where_params_come_from_and_their_seed_are_kept(folder: Path) -> None:
    attrs = stock(folder).get_trials()[1].user_attrs
    assert (attrs["origin"], attrs["seed"]) == ("model", 1)


def test_an_epoch_recorded_again_is_left_as_it_was(folder: Path) -> None:
    before = (folder / JOURNAL).read_bytes()
    create(folder).measured(4, measurement(1, 0.99))
    assert (folder / JOURNAL).read_bytes() == before


def test_an_epoch_that_was_half_recorded_is_recorded_again(tmp_path: Path) -> None:
    record(create(tmp_path), trial_of(0, [0.1], params=DEFAULTS))
    path = tmp_path / JOURNAL
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert read(tmp_path).trials()[0].epoch == 0
    create(tmp_path).measured(0, measurement(1, 0.2), node="n")
    assert read(tmp_path).trials() == [replace(trial_of(0, [0.2], params=DEFAULTS), node="n")]


def test_an_ending_that_was_half_recorded_is_settled(tmp_path: Path) -> None:
    record(create(tmp_path), TRIALS[0])
    path = tmp_path / JOURNAL
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert stock(tmp_path).get_trials()[0].state is TrialState.RUNNING
    journal = create(tmp_path)
    journal.complete_records()
    journal.complete_records()
    assert stock(tmp_path).get_trials()[0].value == 0.4
    assert read(tmp_path).trials() == TRIALS[:1]


def test_losses_and_the_last_node_are_kept(tmp_path: Path) -> None:
    losses = (Loss(Kind.NODE, "node lost", epoch=1, node="a"), Loss(Kind.OWN, "killed", epoch=1))
    journal = create(tmp_path)
    journal.suggested(DEFAULTS, SPACE, seed=0, origin="default")
    journal.measured(0, measurement(1, 0.1), node="a")
    for loss in losses:
        journal.lost(0, loss)
    journal.measured(0, replace(measurement(2, 0.2), changed="batch halved"), node="b")
    (trial,) = read(tmp_path).trials()
    assert (trial.losses, trial.retries, trial.node) == (losses, 2, "b")
    assert [m.changed for m in trial.measurements] == ["", "batch halved"]
    assert trial.changed == "batch halved"
    assert [loss["cause"] for loss in stock(tmp_path).get_trials()[0].user_attrs["losses"]] == ["node lost", "killed"]


def test_the_last_note_of_a_key_holds(tmp_path: Path) -> None:
    journal = create(tmp_path)
    for value in (1.0, {"a": [None, "ü"]}):
        journal.note("fact", value)
    assert read(tmp_path).notes() == {"fact": {"a": [None, "ü"]}}


def test_an_empty_journal_has_no_trials_and_no_notes(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).touch()
    assert (read(tmp_path).trials(), read(tmp_path).notes()) == ([], {})


def test_a_folder_without_a_journal_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"must be a study's folder, but has no journal.log"):
        read(tmp_path)


def test_a_journal_that_is_a_folder_is_one_message(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).mkdir()
    with pytest.raises(
        StudyError, match=r"journal.log: must be a file that can be read and written, but it is a folder"
    ):
        create(tmp_path)


def test_a_reader_never_writes(folder: Path) -> None:
    before = (folder / JOURNAL).read_bytes()
    with pytest.raises(StudyError, match="was opened for reading only"):
        read(folder).ended(4, Ending(cause="x"))
    assert (folder / JOURNAL).read_bytes() == before


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_has_not_is_refused_before_it_is_written(folder: Path, value: float) -> None:
    journal, before = create(folder), (folder / JOURNAL).read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        journal.note("score", value)
    assert (folder / JOURNAL).read_bytes() == before


class FullDisk:
    """Stands in for `os.write`: takes `room` bytes and then no more."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.write = os.write

    def __call__(self, file: int, content: bytes) -> int:
        if self.room <= 0:
            raise OSError(28, "No space left on device")
        done: int = self.write(file, content[: self.room])
        self.room -= done
        return done


@pytest.mark.parametrize("room", [0, 1, 40])
def test_a_full_disk_leaves_no_half_line(folder: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    journal, before = create(folder), (folder / JOURNAL).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("os.write", FullDisk(room))
        with pytest.raises(StudyError, match=r"journal.log: must be writable, but No space left on device"):
            journal.note("fact", "x" * 100)
    assert (folder / JOURNAL).read_bytes() == before
    journal.note("fact", 2)
    assert read(folder).notes() == {"fact": 2}


def test_a_write_in_parts_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = create(tmp_path)
    write = FullDisk(10**9)
    monkeypatch.setattr("os.write", lambda file, content: write(file, content[:7]))
    record(journal, TRIALS[0])
    assert read(tmp_path).trials() == TRIALS[:1]


def test_a_new_journal_says_nothing_of_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    create(tmp_path)
    assert capfd.readouterr() == ("", "")


def test_each_line_is_plain_json_with_a_checksum(folder: Path) -> None:
    logs: list[dict[str, Any]] = [json.loads(line) for line in (folder / JOURNAL).read_text().splitlines()]
    assert all({"crc", "prev", "op_code"} <= log.keys() for log in logs)


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        (Real(1e-4, 0.1, 0.01, log=True), "FloatDistribution(high=0.1, log=True, low=0.0001, step=None)"),
        (Integer(1, 9, 3), "IntDistribution(high=9, log=False, low=1, step=1)"),
        (Choice(("a", 1, True), "a"), "CategoricalDistribution(choices=('a', 1, True))"),
    ],
)
def test_a_parameter_is_described_as_optuna_does(parameter: Real | Integer | Choice, name: str) -> None:
    assert repr(distribution(parameter)) == name


def test_optuna_opens_a_journal_of_a_parameter_with_several_ranges(tmp_path: Path) -> None:
    drawn: list[Params] = [
        {"optimizer": "auto"}, {"optimizer": "SGD", "lr0": 0.04}, {"optimizer": "AdamW", "lr0": 2e-4},
    ]  # fmt: skip
    journal = create(tmp_path)
    for number, params in enumerate(drawn):
        key = journal.suggested(params, rates_space(), seed=number, origin="model")
        journal.measured(key, measurement(1, number / 10))
        journal.ended(key, Ending(final=measurement(1, number / 10)))
    study = optuna.load_study(study_name=None, storage=JournalStorage(JournalFileBackend(str(tmp_path / JOURNAL))))
    assert [trial.params for trial in study.trials] == [trial.params for trial in read(tmp_path).trials()] == drawn
    ranges = [trial.distributions.get("lr0") for trial in study.trials]
    assert [(kind.low, kind.high) for kind in ranges if isinstance(kind, FloatDistribution)] == [
        (1e-3, 0.05), (1e-4, 5e-3),
    ]  # fmt: skip
    assert study.best_trial.number == 2


def test_a_reader_follows_what_another_process_appends(tmp_path: Path) -> None:
    writer = create(tmp_path)
    record(writer, TRIALS[0])
    reader = read(tmp_path)
    before = reader.trials()
    record(writer, TRIALS[1])
    whole = (tmp_path / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(whole[:-5])
    reader.follow()
    (tmp_path / JOURNAL).write_bytes(whole)
    reader.follow()
    assert reader.trials() == read(tmp_path).trials()
    assert reader.trials()[0] is before[0]


def test_a_reader_refuses_an_appended_line_that_is_damaged(tmp_path: Path) -> None:
    writer = create(tmp_path)
    reader = read(tmp_path)
    record(writer, TRIALS[0])
    whole = (tmp_path / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(flipped(whole, -9))
    with pytest.raises(StudyError, match="the checksum must match"):
        reader.follow()
