"""The record of kills that sessions add to, and the stage at which a study is hit."""

from pathlib import Path

import pytest

from benchmarks.chaos_audit import Audit
from benchmarks.chaos_blows import stage_of
from benchmarks.chaos_record import Record


def killed(record: Record, study: str, kind: str, *, seconds: float | None = None) -> None:
    record.add(study, kind=kind, stage="search", seconds=seconds, given_up=False)


def test_sessions_add_up_and_kills_of_a_study_that_was_not_audited_do_not_count(tmp_path: Path) -> None:
    first = Record(tmp_path / "kills.jsonl")
    killed(first, "chaos000", "worker", seconds=4.0)
    killed(first, "chaos000", "node", seconds=8.0)
    first.audited("chaos000", Audit(4, 0, (1, 0), 0), same_champion=True)
    killed(first, "chaos001", "driver")

    second = Record(tmp_path / "kills.jsonl")
    assert (second.kills, second.studies) == (2, 1)
    killed(second, "chaos001", "pair")
    second.audited("chaos001", Audit(5, 1, (2,), 3), same_champion=None)

    assert second.figures() == {
        "kills": 3, "kinds": {"worker": 1, "node": 1, "pair": 1}, "stages": {"search": 3}, "studies": 2, "trials": 9,
        "trials_lost": 1, "epochs_repeated_max": 2, "epochs_repeated": 3, "measurements_lost": 3,
        "same_champion": "1 of 1", "not_mended": 0, "seconds_to_resume_median": 6.0, "seconds_to_resume_max": 8.0,
    }  # fmt: skip


@pytest.mark.parametrize("stage", ["search", "confirm", "export", "publish"])
def test_the_stage_of_a_study_is_told_by_what_it_has_written(tmp_path: Path, stage: str) -> None:
    reached = ["search", "confirm", "export", "publish"].index(stage)
    (tmp_path / "journal.log").write_text('{"op_code":2,"user_attr":{"verdict":{}}}\n' if reached == 3 else "")
    (tmp_path / "study.log").write_text("trial 1 is chosen to ship: best.pt\n" if reached >= 2 else "trial 1 starts\n")
    if reached:
        (tmp_path / "confirm").mkdir()
    assert stage_of(tmp_path) == stage
