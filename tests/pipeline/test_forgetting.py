"""What ships is compared with the champion on earlier data sets; what it has forgotten refuses it."""

from dataclasses import replace
from pathlib import Path

import pytest

from automl import cluster
from automl.data import sample
from automl.pipeline import forgetting
from automl.pipeline.session import Session
from automl.release import parity
from automl.storage import job_file
from automl.study import Job
from automl.study.errors import DataError
from tests.builders import written
from tests.conftest import job_at
from tests.pipeline.test_export import SLOTS, TRIALS, local, stats, trial_weights
from tests.release.test_publish import SPEC, session_at

DRAWN = {"train": 2, "val": 2, "test": 2}


def with_earlier(session: Session, *data: Path) -> Session:
    confirm = session.spec.confirm.model_copy(update={"earlier_data": [str(path) for path in data]})
    session.spec = session.spec.model_copy(update={"confirm": confirm})
    return session


def promoted(session: Session, tmp_path: Path) -> None:
    files = {name: written(tmp_path / "old", name, f"old {name}") for name in ("best.pt", "model.onnx")}
    job_file.write(job_at(tmp_path / "old", Path("data.yaml")))
    registry = session.place.registry(SPEC.champion_name)
    registry.promote(registry.publish(files | {"params.yaml": tmp_path / "old/params.yaml"}, {}), why="first")


def test_each_earlier_data_set_is_a_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = sample.draw(tmp_path / "earlier", splits=DRAWN)
    session = with_earlier(session_at(tmp_path), earlier)
    session.data = replace(session.data, names=dict(enumerate(sample.NAMES)))
    weights = trial_weights(session, TRIALS[1])
    written(session.folder / "export", "model.onnx", "new")
    asked: list[tuple[str, str, str]] = []

    def score(model: Path, job: Job, *, keep: Path) -> dict[str, float]:
        asked.append((model.read_text(), Path(job.data).parent.name, job.split))
        stats(0.3 if model.read_text() == "new" else 0.9).save(keep)
        return {}

    monkeypatch.setattr(cluster, "call", local)
    monkeypatch.setattr(parity, "score", score)
    forgetting.stage(session)
    assert forgetting.judged(session, weights, SLOTS) == ()  # no champion serves
    promoted(session, tmp_path)
    (gate,) = forgetting.judged(session, weights, SLOTS)
    assert (gate.name, gate.passed, gate.limit) == (f"forgetting {earlier}", False, -0.02)
    assert asked == [("new", "1", "test"), ("old model.onnx", "1", "test")]
    assert forgetting.judged(session, weights, SLOTS) == (gate,)
    assert len(asked) == 2  # what was measured is kept


def test_an_earlier_data_set_with_other_classes_is_refused_before_the_first_trial(tmp_path: Path) -> None:
    session = with_earlier(session_at(tmp_path), sample.draw(tmp_path / "earlier", splits=DRAWN))
    with pytest.raises(DataError, match=r"data\.yaml: confirm\.earlier_data must have the classes of the study's data"):
        forgetting.stage(session)
