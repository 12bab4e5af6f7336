"""What operators are sent: all trainings of all sessions, each epoch once; no exporter without a server."""

import json
from pathlib import Path

import pytest

from automl.cluster.control_store import GONE
from automl.cluster.exit import NOTICES, STOPPED
from automl.pipeline import operators
from automl.pipeline.operators import exporting
from automl.pipeline.session import Session, claim
from automl.storage.journal import Journal
from automl.study import Ending, Kind, Loss, State
from automl.study.errors import Interrupted, StudyError
from automl.study.spec import StudySpec
from automl.tracking.mlflow.runs import tags_of
from automl.trials.listener import Listeners
from tests.builders import METRIC, measurement, spec_of
from tests.mlflow_server import MlflowServer, served
from tests.release.test_publish import score_at, session_at
from tests.simulated_study import Clock, open_search, saturating, simulate
from tests.tracking.report.test_page import FACTS


def spec_for(server: MlflowServer) -> StudySpec:
    return spec_of(budget={"trials": 8}, tracking={"mlflow": {"uri": server.uri}})


def play(session: Session, *, epochs: int) -> None:
    """Search in virtual time as one session, which is stopped after so many epochs."""
    manager = open_search(session.folder, session.spec, workers=2, clock=Clock())
    session.journal, session.watchers = manager.journal, ()
    before = sum(trial.epoch for trial in manager.trials)

    def enough() -> bool:
        return sum(trial.epoch for trial in manager.trials) >= before + epochs

    with exporting(session):
        manager.listeners = Listeners(session.watchers)
        simulate(manager, saturating, clock=Clock(), until=enough)
        if enough():
            raise Interrupted


def test_a_study_of_many_sessions_is_sent_whole_and_nothing_twice(tmp_path: Path) -> None:
    with served() as server:
        session = session_at(tmp_path)
        session.spec = spec_for(server)
        for status in (0, 503, 0, 503):
            server.status = status
            with pytest.raises(Interrupted, match=r"^$"):
                play(session, epochs=4)
        server.status = 0
        play(session, epochs=1000)
    trials = session.journal.trials()
    runs = {tags_of(run).get("automl.training", ""): run for run in server.runs.values()}
    assert len(runs) == len(server.runs) == 1 + len(trials) == 9
    for trial in trials:
        (name,) = [name for name in runs if name.startswith(f"{trial.number:04d}")]
        assert server.steps(name, "seconds_per_epoch") == [m.epoch for m in trial.measurements]
        assert tags_of(runs[name])["automl.state"] == trial.state
        assert len(runs[name]["data"]["params"]) == len(trial.params) + 1
    assert runs[""]["info"]["status"] == "FINISHED"


@pytest.mark.parametrize(("error", "status"), [(Interrupted(), "SCHEDULED"), (StudyError("no room"), "FAILED")])
def test_how_a_session_ended_is_the_status_of_the_study(tmp_path: Path, error: Exception, status: str) -> None:
    with served() as server:
        session = session_at(tmp_path)
        session.spec = spec_for(server)
        with pytest.raises(type(error), match=f"^{error}$"), exporting(session):
            raise error
    assert server.named(session.spec.name)["info"]["status"] == status


def test_re_trainings_of_earlier_sessions_and_the_verdict_are_sent(tmp_path: Path) -> None:
    with served() as server:
        session = session_at(tmp_path)
        session.spec = spec_for(server)
        for seed in (1, 2):
            score_at(session, "default", seed, 0.4)
            session.journal.retraining_measured(f"default_seed{seed}", measurement(1, 0.3), node="n")
        session.journal.retraining_lost("default_seed2", [Loss(Kind.NODE, "gone")])
        session.journal.note("confirm:default_seed1", Ending(final=measurement(2, 0.4)).to_dict())
        session.journal.note("promotion", FACTS)
        with exporting(session):
            pass
    assert tags_of(server.named("default_seed1"))["automl.state"] == State.COMPLETED
    assert tags_of(server.named("default_seed2"))["automl.worker_losses"] == "1"
    assert server.steps("default_seed2", METRIC) == [1]
    study = server.named(session.spec.name)
    assert study["info"]["status"] == "FINISHED"
    assert tags_of(study)["automl.accepted"] == str(FACTS["accepted"]).lower()


def test_a_study_without_a_server_has_no_exporter_and_no_id(tmp_path: Path) -> None:
    session = session_at(tmp_path)
    with exporting(session):
        assert session.watchers == ()
    assert operators.STUDY_ID not in session.journal.notes()


def test_the_server_of_a_study_may_be_changed(tmp_path: Path) -> None:
    claim(tmp_path, spec_of())
    Journal.create(tmp_path, name="small", metric=METRIC)
    changed = spec_of(tracking={"mlflow": {"uri": "http://new:5000"}})
    assert claim(tmp_path, changed) == changed
    assert "http://new:5000" in (tmp_path / "study.yaml").read_text()
    with pytest.raises(StudyError, match=r"tracking.pictures_every: 10 there, 3 here"):
        claim(tmp_path, spec_of(tracking={"pictures_every": 3}))


@pytest.mark.parametrize(("code", "event"), [(GONE, "failed"), (STOPPED, "stopped")])
def test_a_study_whose_process_exits_at_once_says_so(tmp_path: Path, code: int, event: str) -> None:
    sent = tmp_path / "sent.json"
    session = session_at(tmp_path / "study")
    session.spec = spec_of(notify={"command": f"tee {sent}"})
    with operators.notifying(session):
        (notice,) = NOTICES
        notice("the Ray cluster is lost: automl resume runs/cards", code)
        found = json.loads(sent.read_text())
        assert (found["event"], found["text"]) == (event, "the Ray cluster is lost: automl resume runs/cards")
    assert NOTICES == []
