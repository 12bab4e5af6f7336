"""A journal that was cut at any byte is a shorter journal: it is read, mended and gone on with."""

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from automl.storage.journal import Journal
from automl.storage.layout import JOURNAL
from automl.study import Trial
from automl.study.errors import StudyError
from tests.builders import METRIC, completed, failed, measurement, mixed_space, pruned, trial_of

SPACE = mixed_space()
PARAMS = SPACE.defaults()
STORY = [
    completed(0, [0.1, 0.4], params=PARAMS),
    pruned(1, [0.1], params=PARAMS),
    failed(2, [0.2]),
    trial_of(3, [0.3], params=PARAMS),
]
CUT = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the bytes of a journal of four trials and two notes."""
    folder = tmp_path_factory.mktemp("whole")
    journal = Journal.create(folder, name="small", metric=METRIC)
    for trial in STORY:
        journal.suggested(PARAMS, SPACE, seed=trial.number, origin="model")
        for found in trial.measurements:
            journal.measured(trial.number, found)
        if trial.ending:
            journal.ended(trial.number, trial.ending)
        journal.note("seconds", float(trial.number))
    return (folder / JOURNAL).read_bytes()


def is_beginning(part: Trial, whole: Trial) -> bool:
    """Tell whether `part` is how `whole` stood at some moment."""
    shared = part.measurements == whole.measurements[: len(part.measurements)]
    return shared and part.number == whole.number and part.ending in (None, whole.ending)


def beginning(trials: list[Trial]) -> bool:
    return len(trials) <= len(STORY) and all(map(is_beginning, trials, STORY))


def test_a_journal_cut_at_any_byte_reads_as_a_beginning(whole: bytes, tmp_path: Path) -> None:
    path, counts = tmp_path / JOURNAL, []
    ends = [position for position, byte in enumerate(whole) if byte == ord("\n")]
    around = {end + step for end in ends for step in (-100, -1, 0, 1, 2)}
    for length in sorted({0, 1, *around, *range(ends[-4], len(whole) + 1, 2)} - {len(whole) + 1}):
        path.write_bytes(whole[:length])
        found = Journal.read(tmp_path, metric=METRIC)
        assert beginning(found.trials()), length
        assert bool(found.dropped) is (length > 0 and whole[length - 1 : length] != b"\n"), length
        counts.append(len(found.trials()))
    assert counts == sorted(counts)
    assert counts[-1] == len(STORY)


@CUT
@given(share=st.floats(0, 1))
def test_a_writer_goes_on_after_a_cut_at_any_byte(whole: bytes, tmp_path: Path, share: float) -> None:
    length = round(share * len(whole))
    (tmp_path / JOURNAL).write_bytes(whole[:length])
    journal = Journal.create(tmp_path, name="small", metric=METRIC)
    journal.complete_records()
    before = journal.trials()
    number = journal.suggested(PARAMS, SPACE, seed=7, origin="model")
    journal.measured(number, measurement(1, 0.5))
    journal.note("seconds", 9.0)
    found = Journal.read(tmp_path, metric=METRIC)
    assert beginning(before)
    assert found.trials() == [*before, replace(trial_of(number, [0.5], params=PARAMS), seed=7)]
    assert (found.dropped, found.notes()["seconds"]) == ("", 9.0)


@CUT
@given(share=st.floats(0, 1))
def test_stock_optuna_opens_a_mended_journal(whole: bytes, tmp_path: Path, share: float) -> None:
    (tmp_path / JOURNAL).write_bytes(whole[: round(share * len(whole))])
    ours = Journal.create(tmp_path, name="small", metric=METRIC)
    ours.complete_records()
    storage = JournalStorage(JournalFileBackend(str(tmp_path / JOURNAL)))
    theirs = optuna.load_study(study_name="small", storage=storage).get_trials()
    assert [(trial.number, trial.params) for trial in theirs] == [(trial.number, PARAMS) for trial in ours.trials()]
    assert [trial.state.is_finished() for trial in theirs] == [trial.ending is not None for trial in ours.trials()]


@CUT
@given(data=st.data())
def test_one_flipped_byte_is_found(whole: bytes, tmp_path: Path, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[position] ^= data.draw(st.integers(1, 255))
    (tmp_path / JOURNAL).write_bytes(flipped)
    last_line = whole[:-1].rindex(b"\n")
    try:
        found = Journal.read(tmp_path, metric=METRIC)
    except StudyError as error:
        told = str(error)
    else:
        told = found.dropped
        assert position >= last_line
        assert beginning(found.trials())
    assert "damaged" in told or "incomplete line" in told
