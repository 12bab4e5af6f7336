"""How a study is settled, with a real registry and without a real model."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from automl import report, settlement
from automl.dataset import DataSet
from automl.errors import StudyError
from automl.finals import CHALLENGER, DEFAULT
from automl.journal import Journal
from automl.progress import Progress
from automl.records import Engine, Gain, Score
from automl.session import Place, Session
from automl.settlement import Case
from automl.spec import dump, dump_yaml
from automl.trial import _write_curves
from tests.builders import METRIC, completed, curve, spec_of
from tests.conftest import job_at

SPEC = spec_of(confirm={"seeds": 2})
NAMES = {0: "hole", 1: "spot"}


def session_at(storage: Path, *, names: Mapping[int, str] = NAMES) -> Session:
    place = Place(storage)
    folder = place.study(SPEC.name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(dump(SPEC))
    data = DataSet(storage / "data.yaml", names, {}, {}, (), "f" * 64)
    journal = Journal.create(folder, name=SPEC.name, metric=METRIC)
    return Session(
        SPEC, place, folder, data, folder, journal, Progress(folder / "study.log", console=Console(quiet=True))
    )


def score_at(session: Session, side: str, seed: int, value: float) -> Score:
    """Lay down a re-training as the cluster leaves it."""
    folder = session.folder / "confirm" / f"{side}_seed{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "best.pt").write_text(f"{side} {seed}")
    (folder / "params.yaml").write_text(dump_yaml(job_at(folder, Path("data.yaml")).to_dict()))
    _write_curves(folder, curve([value - 0.1, value]))
    return Score(seed, value, {METRIC: value}, folder / "best.pt")


def case_of(session: Session, *, low: float) -> Case:
    scores = {
        side: tuple(score_at(session, side, seed, 0.4 + seed / 10) for seed in (1, 2)) for side in (CHALLENGER, DEFAULT)
    }
    gain = Gain(0.05, low, 0.9, scores[CHALLENGER], scores[DEFAULT])
    side, candidate = settlement.candidate(session, gain)
    onnx = session.folder / "model.onnx"
    onnx.write_text(side)
    return Case(completed(1, [0.5]), side, candidate, gain, Engine(onnx, 1e-6, onnx_score=0.6, torch_score=0.6))


def settled(session: Session, *, low: float, champion: float | None = None) -> dict[str, object]:
    case = case_of(session, low=low)
    verdict = settlement.judge(session, case, champion_score=champion)
    return settlement.settle(session, settlement.evidence(session, case, verdict))


def test_a_sure_gain_makes_the_challenger_champion(tmp_path: Path) -> None:
    session = session_at(tmp_path)

    facts = settled(session, low=0.01)

    assert (facts["accepted"], facts["side"], facts["seed"]) == (True, CHALLENGER, 2)
    registry = session.place.registry(SPEC)
    assert registry.aliases() == {"challenger": 1, "champion": 1}
    assert (registry.path("champion") / "best.pt").read_text() == "challenger 2"


def test_without_a_gain_the_defaults_own_model_is_the_first_champion_and_that_is_said(tmp_path: Path) -> None:
    session = session_at(tmp_path)

    facts = settled(session, low=-0.01)
    told = settlement.outcome(facts, "small")

    assert (session.place.registry(SPEC).path("champion") / "best.pt").read_text() == "default 2"
    assert told[0].startswith("no significant gain over the default")
    assert "the default params' own model" in told[1]
    assert "First champion" in (session.folder / "report.html").read_text()


def test_without_a_gain_a_serving_champion_stays(tmp_path: Path) -> None:
    settled(session_at(tmp_path), low=0.01)
    session = session_at(tmp_path)
    (session.folder / "confirm" / "challenger_seed2" / "best.pt").write_text("another")

    facts = settled(session, low=-0.01)

    assert not facts["accepted"]
    assert session.place.registry(SPEC).aliases()["champion"] == 1
    assert "nothing was promoted" in settlement.outcome(facts, "small")[1]


@pytest.mark.parametrize(("champion", "accepted"), [(0.5, True), (0.7, False)])
def test_a_challenger_must_beat_the_serving_champion_on_the_same_images(
    tmp_path: Path, champion: float, *, accepted: bool
) -> None:
    settled(session_at(tmp_path), low=-0.01)

    facts = settled(session_at(tmp_path), low=0.01, champion=champion)

    assert facts["accepted"] is accepted
    assert any("challenger > champion" in str(reason) for reason in facts["reasons"])  # type: ignore[attr-defined]


def test_a_champion_of_other_classes_is_refused_before_the_first_trial(tmp_path: Path) -> None:
    settled(session_at(tmp_path), low=0.01)

    settlement.check_champion(session_at(tmp_path))
    with pytest.raises(StudyError, match=r"must know the classes of this data set, but knows .'hole', 'spot'"):
        settlement.check_champion(session_at(tmp_path, names={0: "spot", 1: "hole"}))


def test_a_bound_that_is_not_there_is_written_as_none(tmp_path: Path) -> None:
    assert settled(session_at(tmp_path), low=float("-inf"))["lower_bound"] is None


def test_the_champion_is_judged_at_its_own_image_size_on_its_rivals_images(tmp_path: Path) -> None:
    session = session_at(tmp_path)
    assert settlement.serving(session, score_at(session, CHALLENGER, 3, 0.6)) is None
    settled(session, low=0.01)
    rival = score_at(session, CHALLENGER, 3, 0.6)
    folder = rival.weights.parent
    job = replace(job_at(folder, Path("other.yaml"), imgsz=640), split="test")
    (folder / "params.yaml").write_text(dump_yaml(job.to_dict()))

    found = settlement.serving(session, rival)

    assert found is not None
    assert found[0].read_text() == "challenger 2"
    assert (found[1].data, found[1].split, found[1].params.get("imgsz")) == ("other.yaml", "test", None)
    assert settlement.serving(session, score_at(session, CHALLENGER, 2, 0.6)) is None


@pytest.mark.parametrize("low", [-0.01, 0.01])
def test_a_study_killed_while_it_settles_settles_alike_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, low: float
) -> None:
    session = session_at(tmp_path)
    case = case_of(session, low=low)
    facts = settlement.evidence(session, case, settlement.judge(session, case, champion_score=None))
    with monkeypatch.context() as patched:
        patched.setattr(report, "write", lambda *_args, **_kwargs: (_ for _ in ()).throw(KeyboardInterrupt("killed")))
        with pytest.raises(KeyboardInterrupt, match="killed"):
            settlement.settle(session, facts)

    done = settlement.settle(session, facts)

    registry = session.place.registry(SPEC)
    assert (done["accepted"], done["version"]) == (True, 1)
    assert registry.versions() == [1]
    assert registry.aliases() == {"challenger": 1, "champion": 1}


def test_a_version_keeps_what_its_data_looked_like_where_the_study_knows(tmp_path: Path) -> None:
    session = session_at(tmp_path)
    (session.folder / "dataset.json").write_text("{}")
    settled(session, low=0.01)
    held = session.place.registry(SPEC)
    assert (held.path(1) / "dataset.json").read_text() == "{}"
    assert held.verify(1) == []
