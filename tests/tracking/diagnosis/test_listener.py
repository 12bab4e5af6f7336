"""The diagnosis of running trials: each finding is logged once, kept while it holds, and shown in TensorBoard."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from automl.storage import epoch_details
from automl.study import Ending, EndReason, Trial
from automl.tracking.diagnosis import findings_file
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.diagnosis.listener import Diagnosis, Facts
from tests.builders import METRIC, measurement

FACTS = Facts(epochs=6, metric=METRIC, settings={"mosaic": 1.0, "close_mosaic": 3}, instances={"a": 3, "b": 1})
GOOD = {"class_ap50/a": 0.6, "class_ap50/b": 0.5}
BAD = {"class_ap50/a": 0.6, "class_ap50/b": 0.01}


class Training:
    """A trial that is looked at epoch by epoch."""

    def __init__(self, folder: Path, facts: Facts = FACTS) -> None:
        self.notes: list[tuple[int, str, int]] = []
        self.folder = folder
        self.trial = Trial(3, {}, seed=0)
        self.details: dict[int, dict[str, float]] = {}
        self.diagnosis = Diagnosis(facts, lambda *note: self.notes.append(note))
        folder.mkdir(parents=True, exist_ok=True)
        self.diagnosis.on_start(self.trial, folder)

    def measured(self, *epochs: dict[str, float]) -> None:
        for details in epochs:
            number = self.trial.epoch + 1
            self.details[number] = details
            epoch_details.write_details(self.folder, self.details)
            one = measurement(number, 0.3)
            self.trial = replace(self.trial, measurements=(*self.trial.measurements, one))
            self.diagnosis.on_measurement(self.trial)

    @property
    def kept(self) -> list[tuple[str, int]]:
        return [(finding.subject or finding.name, finding.epoch) for finding in findings_file.read(self.folder)]


@pytest.fixture
def training(tmp_path: Path) -> Training:
    return Training(tmp_path / "trials" / "0003_tiny")


def test_a_new_finding_is_logged_once_and_kept_with_its_first_epoch(
    training: Training, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        training.measured(GOOD, GOOD, GOOD, GOOD, BAD, BAD)
    assert [record.message.partition(";")[0] for record in caplog.records] == [
        "trial 3, epoch 5: class suppressed: b has AP50 0.01, the others 0.60, with 25% of the training boxes"
    ]
    assert training.kept == [("b", 5)]
    assert [(number, epoch) for number, _, epoch in training.notes] == [(3, 5)]
    assert "**class suppressed** (epoch 5)" in training.notes[0][1]


def test_a_finding_that_no_longer_holds_is_not_kept(training: Training) -> None:
    training.measured(GOOD, GOOD, GOOD, GOOD, BAD, GOOD)
    assert training.kept == []
    assert training.notes[-1] == (3, "no findings", 6)


def test_a_healthy_training_is_silent(training: Training, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        training.measured(*[GOOD] * 6)
        training.diagnosis.on_end(training.trial, Ending(final=measurement(6, 0.3)))
    assert (caplog.messages, training.kept, training.notes) == ([], [], [])


def test_a_training_that_resumes_does_not_log_again(training: Training, caplog: pytest.LogCaptureFixture) -> None:
    training.measured(GOOD, GOOD, GOOD, GOOD, BAD)
    again = Training(training.folder)
    again.trial, again.details = training.trial, training.details
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        again.measured(BAD)
    assert caplog.messages == []
    assert again.kept == [("b", 5)]


def test_settings_are_judged_after_the_first_epoch(tmp_path: Path) -> None:
    training = Training(tmp_path / "confirm" / "trial7_seed1000002", replace(FACTS, settings={
        "mosaic": 1.0, "close_mosaic": 10,
    }))  # fmt: skip
    training.measured(GOOD)
    assert training.kept == [("mosaic closed", 1)]
    assert findings_file.read(training.folder)[0].trial == "trial7_seed1000002"


def test_the_end_reason_is_judged(training: Training) -> None:
    training.diagnosis.on_end(training.trial, Ending(cause="loss is not finite", kind=EndReason.NOT_FINITE))
    assert training.kept == [("not finite", 1)]


def test_findings_that_cannot_be_written_stop_nothing(
    training: Training, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(findings_file, "write", refuse)
    training.measured(GOOD, GOOD, GOOD, GOOD, BAD)
    assert caplog.messages[-1].endswith("findings cannot be written now: No space left on device; "
                                        "the next epoch tries again")  # fmt: skip
    monkeypatch.undo()
    training.measured(BAD)
    assert training.kept == [("b", 5)]


def test_a_damaged_file_has_no_findings(tmp_path: Path) -> None:
    (tmp_path / "findings.json").write_text('[{"name": 3')
    assert findings_file.read(tmp_path) == []


def test_findings_are_written_and_read_alike(tmp_path: Path) -> None:
    findings = [Finding("plateau", "trial 1", 9, "flat", "more", {"gain": 0.01}, subject="x")]
    findings_file.write(tmp_path, findings)
    assert findings_file.read(tmp_path) == findings


def test_like_findings_are_one_line() -> None:
    findings = [Finding("plateau", f"trial {number}", 9, "flat", "more") for number in range(9)]
    lines = findings_file.grouped([Finding("nothing learned", "trial 1", 5, "0", "lr0"), *findings])
    assert len(lines) == 2
    assert lines[-1].endswith("also in trial 0, trial 1, trial 2, trial 3, trial 4, trial 5 and 2 more")
