"""Who keeps weights: simulated studies whose trials write files, killed at any moment."""

import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from automl.hpo.asha import KINDS
from automl.pipeline import finish
from automl.release import publish
from automl.release.gates import judge
from automl.storage import checkpoint_files
from automl.storage.checkpoint_files import OURS, delete_weights, merit
from automl.storage.journal import Journal
from automl.study import Ending, State
from automl.study.verdict import Verdict
from tests.builders import METRIC, completed, failed, measurement, pruned
from tests.release.test_publish import case_of, session_at
from tests.simulated_checkpoints import Disk, best, kept_until_the_verdict, opened, sized, study_of, weights
from tests.simulated_study import Clock, simulate

KIND = pytest.mark.parametrize("kind", KINDS)


class Killed(BaseException):
    """Stands for a SIGKILL."""


@KIND
def test_the_best_trials_keep_weights_and_all_trials_keep_records(tmp_path: Path, kind: str) -> None:
    source = opened(tmp_path, study_of(kind))

    simulate(source, Disk(tmp_path).curve, clock=Clock())
    source.close()

    assert source.finished
    assert weights(source) == kept_until_the_verdict(source, 3)
    for trial in source.trials:
        names = {path.name for path in source.context.folder_of(trial).iterdir()}
        assert names >= {"curves.csv", "params.yaml", "outcome.json"}
        assert any("tfevents" in name for name in names)
    gone = [number for number in range(len(source.trials)) if number not in best(source, 3)]
    told = re.findall(
        r"retention: trials? ([\d, ]+?)(?: and (\d+) more)?: weights deleted", (tmp_path / "study.log").read_text()
    )
    assert sum(len(named.split(",")) + int(more or 0) for named, more in told) == len(gone)
    assert len(told) <= 4, "a line now and then, not one a trial"


def test_a_trial_that_runs_waits_or_pauses_keeps_all_its_weights(tmp_path: Path) -> None:
    source = opened(tmp_path, study_of("promotion", keep=1))
    simulate(source, (disk := Disk(tmp_path)).curve, clock=Clock(), until=lambda: len(source.trials) > 7)
    live = {trial.number for trial in source.trials if not trial.ending}
    begun = {trial.number for trial in source.trials if not trial.ending and trial.epoch}

    again = opened(tmp_path, study_of("promotion", keep=1))

    assert disk.most
    assert (
        begun <= {number for number, names in weights(again).items() if "last.pt" in names} <= live | {*best(again, 1)}
    )


def test_trials_are_ranked_by_how_far_they_came_then_by_value_then_by_age() -> None:
    trials = [completed(0, [0.2]), pruned(1, [0.9]), completed(2, [0.3]), failed(3, [0.5]), completed(4, [0.3])]
    ranked = sorted(trials, key=lambda trial: merit(trial, METRIC) or (), reverse=True)
    assert [trial.number for trial in ranked] == [2, 4, 0, 1, 3]
    assert merit(failed(5), METRIC) is None


def test_only_a_trials_own_weights_are_ever_deleted(tmp_path: Path) -> None:
    ours = ["last.pt", "previous.pt", "best.pt", "damaged-2.pt", ".best.pt.k3_x"]
    theirs = ["mine.pt", "best.pt.bak", "curves.csv", "log.txt", "best.onnx", "notlast.pt"]
    for name in ours + theirs:
        sized(tmp_path / name, 10)
    sized(tmp_path / "deeper" / "best.pt", 10)

    assert delete_weights(tmp_path, keep={"best.pt"}) == 40
    assert delete_weights(tmp_path) == 10
    assert delete_weights(tmp_path) == delete_weights(tmp_path / "none") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*theirs, "deeper"])
    assert (tmp_path / "deeper" / "best.pt").exists()


def test_weights_that_cannot_be_deleted_stop_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "best.pt").mkdir()
    sized(tmp_path / "last.pt", 10)
    caplog.set_level(logging.INFO, logger="automl")
    assert delete_weights(tmp_path) == 10
    assert caplog.messages
    assert all(re.fullmatch(r"retention: .*best.pt could not be deleted: .+", line) for line in caplog.messages)


@pytest.mark.slow
@KIND
@pytest.mark.parametrize("deleted", [0, 1, 2, 7, 12])
def test_a_study_killed_between_journal_and_deletion_only_takes_disk_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, deleted: int
) -> None:
    spec, unlink, left = study_of(kind), Path.unlink, [deleted]

    def dying(path: Path, *, missing_ok: bool = False) -> None:
        if OURS.fullmatch(path.name):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
        unlink(path, missing_ok=missing_ok)

    broken = opened(tmp_path, spec)
    monkeypatch.setattr(Path, "unlink", dying)
    with pytest.raises(Killed):
        simulate(broken, Disk(tmp_path).curve, clock=Clock())
    monkeypatch.undo()
    before = Journal.read(tmp_path, metric=METRIC).trials()
    assert any(trial.ending for trial in before), "the ending is in the journal before a file goes"

    resumed = opened(tmp_path, spec)
    ended = {trial.number for trial in before if trial.ending}
    whole = {trial.number for trial in before if trial.state is State.COMPLETED}
    assert len((ended & weights(resumed).keys()) - whole) <= 3
    simulate(resumed, Disk(tmp_path).curve, clock=Clock())

    assert resumed.finished
    assert [t.ending for t in resumed.trials if t.number in ended] == [t.ending for t in before if t.ending]
    assert weights(resumed) == kept_until_the_verdict(resumed, 3)


def test_a_resumed_study_that_is_over_changes_no_file(tmp_path: Path) -> None:
    spec = study_of("promotion")
    simulate(opened(tmp_path, spec), Disk(tmp_path).curve, clock=Clock())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "trials").rglob("*.pt")}

    opened(tmp_path, spec).close()

    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "trials").rglob("*.pt")} == before


def retrainings(folder: Path) -> Callable[[], dict[str, set[str]]]:
    for name in ("trial7_seed1000000", "trial7_seed1000001", "default_seed1000000"):
        for file in ("best.pt", "curves.csv"):
            sized(folder / "confirm" / name / file, 10)

    def now() -> dict[str, set[str]]:
        return {path.name: {file.name for file in path.iterdir()} for path in (folder / "confirm").iterdir()}

    return now


def test_after_the_verdict_only_the_shipped_re_training_keeps_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = retrainings(tmp_path)
    shipped = tmp_path / "confirm" / "trial7_seed1000001" / "best.pt"
    caplog.set_level(logging.INFO, logger="automl")
    monkeypatch.setattr(Path, "unlink", killed_at_once)
    with pytest.raises(Killed):
        checkpoint_files.delete_retraining_weights(tmp_path, shipped)
    monkeypatch.undo()

    for _ in range(2):
        checkpoint_files.delete_retraining_weights(tmp_path, shipped)

    assert {name: "best.pt" in files for name, files in now().items()} == {
        "trial7_seed1000000": False, "trial7_seed1000001": True, "default_seed1000000": False,
    }  # fmt: skip
    assert all("curves.csv" in files for files in now().values())
    assert caplog.messages == ["retention: weights of 2 re-trainings that do not ship are deleted, 20 B"]


def test_a_study_killed_after_its_verdict_is_settled_by_what_ships_alone(tmp_path: Path) -> None:
    session = session_at(tmp_path)
    case = case_of(session, low=0.01)
    session.journal.note("verdict", publish.verdict_of(session, case, judge(case.built, session.spec.laws)).to_dict())

    again = session_at(tmp_path)
    facts = Verdict.from_dict(again.journal.notes()["verdict"])
    for _ in range(2):
        publish.delete_weights(again, facts)
    done = finish.publish(again, facts, compare_again=lambda verdict: verdict)

    kept = list((again.folder / "confirm").glob("*/*.pt"))
    assert kept == [case.chosen.weights]
    published = again.place.registry(again.spec.champion_name).path(done.version or 0)
    assert (published / "best.pt").read_bytes() == kept[0].read_bytes()


def killed_at_once(*_given: object, **_named: object) -> None:
    raise Killed


def test_a_re_training_keeps_its_best_weights_and_one_that_failed_all(tmp_path: Path) -> None:
    keeper = opened(tmp_path, study_of("promotion"))._quota
    jobs = [keeper.context.job(tmp_path / "confirm" / name, number=0, params={}, seed=0) for name in "ab"]
    for job in jobs:
        for name in ("last.pt", "previous.pt", "best.pt"):
            sized(job.folder / name, 10)

    keeper.retrained(jobs[0], Ending(final=measurement(6, 0.5)))
    keeper.retrained(jobs[1], Ending(cause="mount away"))

    assert [len(list(job.folder.iterdir())) for job in jobs] == [1, 3]
    assert (jobs[0].folder / "best.pt").exists()


@KIND
def test_after_the_verdict_the_best_trials_and_what_ships_keep_their_weights(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = opened(tmp_path, study_of(kind))
    simulate(source, Disk(tmp_path).curve, clock=Clock())
    spare = sorted(kept_until_the_verdict(source, 3).keys() - set(best(source, 3)))
    shipped = source.context.folder_of(source.trials[spare[0] if spare else best(source, 1)[0]]) / "best.pt"
    caplog.set_level(logging.INFO, logger="automl")
    caplog.clear()

    spec = source.context.spec
    for _ in range(2):
        ranked = checkpoint_files.best_ended(source.trials, spec.metric, most=spec.retention.keep)
        checkpoint_files.delete_trial_weights(tmp_path, shipped, best=map(source.context.folder_of, ranked))

    assert shipped.is_file()
    assert set(weights(source)) == {*best(source, 3), *spare[:1]}
    assert len(caplog.messages) == bool(spare[1:])
