"""A live study: of a change only the rows of changed trials are returned."""

from pathlib import Path

import pytest

from automl.apps.web.live import SLOW_SECONDS, LiveStudy
from automl.storage import files
from automl.storage.journal import Journal
from automl.storage.layout import JOURNAL, SPEC
from automl.study import Ending
from automl.study.load import dump
from tests.builders import METRIC, measurement, spec_of


def test_only_changed_rows_are_returned(tmp_path: Path) -> None:
    now = [0.0]
    spec = spec_of()
    journal = Journal.create(tmp_path, name="small", metric=METRIC)
    for number in range(3):
        params = spec.search_space.defaults()
        journal.suggested(params, spec.search_space, seed=number, origin="model")
    live = LiveStudy(tmp_path, spec, clock=lambda: now[0])
    first = live.refresh()
    assert [row.number for row in live.shown.after(0)] == [0, 1, 2]
    assert live.shown.after(first) == []
    journal.measured(1, measurement(1, 0.25), node="n")
    now[0] += 1
    second = live.refresh()
    assert [(row.number, row.epoch, row.value) for row in live.shown.after(first)] == [(1, 1, 0.25)]
    journal.ended(1, Ending(final=measurement(2, 0.5)))
    now[0] += 1
    assert live.refresh() > second
    assert live.shown.after(second)[0].state == "COMPLETED"


def test_only_the_rows_of_changed_trials_are_made_again(tmp_path: Path) -> None:
    now = [0.0]
    spec = spec_of()
    journal = Journal.create(tmp_path, name="small", metric=METRIC)
    for number in range(3):
        journal.suggested(spec.search_space.defaults(), spec.search_space, seed=number, origin="model")
    live = LiveStudy(tmp_path, spec, clock=lambda: now[0])
    live.refresh()
    before = live.shown
    journal.measured(2, measurement(1, 0.25), node="n")
    now[0] += 1
    live.refresh()
    assert [live.shown.rows[number] is before.rows[number] for number in range(3)] == [True, True, False]
    assert before.after(0) == [*before.rows.values()], "a version that is being sent does not change"


@pytest.mark.parametrize("further", [1, 4])
def test_a_study_that_was_deleted_and_begun_again_is_shown_as_it_is_now(tmp_path: Path, further: int) -> None:
    now = [0.0]
    spec = spec_of()
    live = LiveStudy(tmp_path, spec, clock=lambda: now[0])
    for trials, epochs in ((3, 1), (2, further)):
        (tmp_path / JOURNAL).unlink(missing_ok=True)
        journal = Journal.create(tmp_path, name="small", metric=METRIC)
        for number in range(trials):
            journal.suggested(spec.search_space.defaults(), spec.search_space, seed=number, origin="model")
            for epoch in range(1, epochs + 1):
                journal.measured(number, measurement(epoch, 0.25), node="n")
        before = live.shown.version
        now[0] += 1
        live.refresh()
        assert live.problem == ""
        assert [row.number for row in live.shown.after(before)] == [*range(trials)] == [*live.shown.rows]


def test_a_study_that_cannot_be_read_has_a_problem_and_keeps_its_rows(tmp_path: Path) -> None:
    live = LiveStudy(tmp_path, spec_of())
    assert live.refresh() == 0
    assert "No such file" in live.problem


def test_the_total_of_a_study_that_was_extended_is_the_new_one(tmp_path: Path) -> None:
    now = [0.0]
    before, after = (spec_of(budget={"trials": count}) for count in (3, 4))
    Journal.create(tmp_path, name="small", metric=METRIC)
    files.write_text(tmp_path / SPEC, dump(before))
    live = LiveStudy(tmp_path, before, clock=lambda: now[0])
    live.refresh_slow()
    assert live.status
    assert live.status.budget == before.budget.trials
    files.write_text(tmp_path / SPEC, dump(after))
    now[0] += SLOW_SECONDS
    live.refresh_slow()
    assert live.status.budget == after.budget.trials
