"""The listeners of a study: the diagnosis writes its text into the trial's event file, and what ships is diagnosed."""

from dataclasses import replace
from pathlib import Path

import pytest

from automl.data.record import DataSet
from automl.pipeline import board, finish
from automl.storage import epoch_details
from automl.storage.layout import trial_folder
from automl.study import Ending, Trial
from automl.study.verdict import Verdict
from automl.tracking.diagnosis import findings_file
from automl.tracking.diagnosis.finding import Finding
from automl.trials.jobs import RunContext
from tests.builders import measurement, spec_of, trial_of
from tests.release.test_publish import session_at
from tests.tracking.report.test_page import FACTS
from tests.tracking.test_tensorboard_writer import read

DATA = DataSet(Path("d.yaml"), {0: "hole", 1: "scratch"}, {"train": ()}, {"train": {0: 5, 1: 7}}, (), "f" * 64)
SHARE = {"class_ap50/hole": 0.7, "class_ap50/scratch": 0.02}


def test_a_finding_is_logged_and_in_tensorboard_and_on_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trial = trial_of(2, [0.1] * 5)
    place = trial_folder(tmp_path, trial, "tiny.yaml")
    place.mkdir(parents=True)
    listeners = board.listeners_of(RunContext(tmp_path, spec_of(), tmp_path, gpus=0, threads=1, concurrent=1), DATA)
    listeners.on_start(Trial(2, trial.params, trial.seed), place)
    for count in range(1, 6):
        epoch_details.write_details(place, dict.fromkeys(range(1, count + 1), SHARE))
        listeners.on_measurement(replace(trial, measurements=trial.measurements[:count]))
    listeners.on_end(trial, Ending(final=measurement(6, 0.1)))
    listeners.close()
    told = "scratch has AP50 0.02, the others 0.70, with 58% of the training boxes"
    assert told in read(place).texts["diagnosis"]
    assert any(message.startswith(f"trial 2, epoch 5: class suppressed: {told}") for message in caplog.messages)
    assert [finding.subject for finding in findings_file.read(place) if finding.subject] == ["scratch"]


def test_the_end_of_a_study_tells_the_findings_of_what_ships(tmp_path: Path) -> None:
    session = session_at(tmp_path)
    shipped = session.folder / "confirm" / "trial0_seed1000001"
    for place, text in ((shipped, "of what ships"), (session.folder / "confirm" / "default_seed1000000", "of another")):
        place.mkdir(parents=True)
        findings_file.write(place, [Finding("plateau", place.name, 6, text, "more")])
    lines = finish.findings_of(session, Verdict.from_dict(FACTS))
    assert [line for line in lines if "plateau" in line] == [
        "finding: trial0_seed1000001, epoch 6: plateau: of what ships; more"
    ]
