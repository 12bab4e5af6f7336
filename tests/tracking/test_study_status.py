"""Status of a study: what another hour of its search is expected to gain."""

import re
from pathlib import Path

import pytest

from automl.storage.journal import Journal
from automl.tracking import study_status
from automl.trials.job_clock import NOTE, Elapsed, Stage
from tests.builders import spec_of
from tests.simulated_study import Clock, open_search, saturating, simulate

SPEC = spec_of(budget={"trials": 12}, ladder={"min_epochs": 3, "max_epochs": 9})
EXPECTED = re.compile(r"another hour: \+\d\.\d{3} ± \d\.\d{3} map50_95 expected")


@pytest.mark.parametrize(
    ("trials", "stage", "said"), [(8, Stage.SEARCH, True), (4, Stage.SEARCH, False), (8, Stage.CONFIRM, False)]
)
def test_while_a_study_searches_it_says_what_another_hour_is_expected_to_gain(
    tmp_path: Path, trials: int, stage: Stage, *, said: bool
) -> None:
    folder = tmp_path / "runs" / SPEC.name
    source = open_search(folder, SPEC)
    simulate(source, saturating, clock=Clock(), until=lambda: len(source.trials) == trials)
    journal = Journal.create(folder, name=SPEC.name, metric=SPEC.metric)
    journal.note(NOTE, Elapsed({str(stage): 900.0}, stage, 1).to_dict())

    messages = study_status.read(folder, SPEC).messages

    assert [bool(EXPECTED.fullmatch(line)) for line in messages if "hour" in line] == ([True] if said else [])
