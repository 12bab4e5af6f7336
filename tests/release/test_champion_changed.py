"""A verdict that another champion overtook is compared again, and a damaged champion is told first."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from automl.pipeline import finish
from automl.pipeline.session import Session
from automl.release import publish
from automl.release.gates import champion_recall, judge
from automl.storage import files
from automl.study import Gates
from automl.study.errors import RegistryError
from automl.study.verdict import Interval, Verdict
from tests.builders import written
from tests.release.test_publish import NAMES, SPEC, case_of, session_at, settled, unasked


def better(session: Session) -> int:
    """Publish and promote the model of another study."""
    held = session.place.registry(SPEC.champion_name)
    number = held.publish({"best.pt": written(session.folder, "other.pt", "better")}, {})
    held.promote(number, why="another study: +0.5")
    return number


@pytest.mark.parametrize(("lower", "accepted"), [(0.1, True), (-0.1, False)])
def test_a_verdict_against_another_champion_is_compared_again_under_the_lock(
    tmp_path: Path, lower: float, *, accepted: bool
) -> None:
    session = session_at(tmp_path)
    case = case_of(session, low=0.01)
    verdict = publish.verdict_of(session, case, judge(case.built, SPEC.laws))
    number, over = better(session), Interval(0.0, -0.2, 0.2, lower=lower)
    asked: list[Verdict] = []

    def compare_again(old: Verdict) -> Verdict:
        with (
            pytest.raises(files.LockedError, match="one writer at a time"),
            files.locked(tmp_path / "models" / "small"),
        ):
            pass
        asked.append(old)
        return publish.compared_again(old, SPEC.laws, champion=number, over=over)

    done = finish.publish(session, verdict, compare_again=compare_again)

    assert (verdict.accepted, verdict.champion, asked) == (True, 0, [verdict])
    assert (done.accepted, done.champion, done.over_champion) == (accepted, 1, over)
    assert session.place.registry(SPEC.champion_name).aliases()["champion"] == (2 if accepted else 1)
    assert json.loads((session.folder / "promotion.json").read_text())["champion"] == 1
    assert [gate.name for gate in done.gates if not gate.passed] == ([] if accepted else ["champion"])
    told = (session.folder / "study.log").read_text()
    assert "champion small: version none served when the model was judged, version 1 serves now: the models are" in told


def test_a_verdict_of_a_killed_process_is_not_compared_with_its_own_model(
    tmp_path: Path,
) -> None:
    session = session_at(tmp_path)
    case = case_of(session, low=0.01)
    verdict = publish.verdict_of(session, case, judge(case.built, SPEC.laws))
    for _ in range(2):
        assert finish.publish(session, verdict, compare_again=unasked).version == 1
    assert session.place.registry(SPEC.champion_name).aliases() == {"challenger": 1, "champion": 1}


def test_a_model_that_no_champion_could_save_is_not_compared_again(tmp_path: Path) -> None:
    session = session_at(tmp_path)
    case = case_of(session, low=0.01)
    nothing = replace(case.built, onnx=replace(case.built.onnx, score=0.0), torch_score=0.0)
    verdict = publish.verdict_of(session, replace(case, built=nothing), judge(nothing, SPEC.laws))
    better(session)
    done = finish.publish(session, verdict, compare_again=unasked)
    assert (done.accepted, done.reasons[0]) == (
        False,
        "refused: score of the ONNX file: > 0 must hold, but got 0.0000, margin +0.0000",
    )
    assert session.place.registry(SPEC.champion_name).aliases()["champion"] == 1


def test_a_verdict_of_an_earlier_version_is_compared_again_where_a_champion_serves(tmp_path: Path) -> None:
    session = session_at(tmp_path)
    case = case_of(session, low=0.01)
    plain = publish.verdict_of(session, case, judge(case.built, SPEC.laws)).to_dict()
    old = Verdict.from_dict({key: value for key, value in plain.items() if key not in {"champion", "gates"}})
    assert (old.champion, old.gates, publish.outdated(old, 0, None)) == (None, (), False)
    assert publish.outdated(old, 3, None)
    assert not publish.outdated(old, 3, published=3)
    again = publish.compared_again(old, SPEC.laws, champion=3, over=Interval(0.1, 0.0, 0.2, lower=0.05))
    assert (again.accepted, again.champion, len(again.reasons)) == (True, 3, len(old.reasons) + 1)
    refused = publish.compared_again(replace(old, accepted=False), SPEC.laws, champion=3, over=again.over_champion)
    assert not refused.accepted
    lost = tuple(champion_recall({"bolt": -0.2}, Gates()))
    worse = publish.compared_again(again, SPEC.laws, champion=4, over=again.over_champion, classes=lost)
    assert (worse.accepted, worse.gates[0]) == (False, lost[0])
    assert publish.outdated(worse, 5, None), "another champion may have less to lose"
    assert publish.compared_again(worse, SPEC.laws, champion=5, over=again.over_champion).accepted


def test_damaged_records_are_told_before_the_first_trial(tmp_path: Path) -> None:
    session = session_at(tmp_path)
    settled(session, low=0.01)
    held = session.place.registry(SPEC.champion_name)
    (held.path(1) / "best.pt").chmod(0o644)
    (held.path(1) / "best.pt").write_text("changed")
    with pytest.raises(RegistryError, match=r"best\.pt: SHA-256 must be"):
        publish.check_champion(session.place.registry(SPEC.champion_name), NAMES, train=SPEC.train)
    (held.folder / "aliases.json").unlink()
    with pytest.raises(RegistryError, match=r"aliases\.json: must be readable JSON"):
        publish.check_champion(session.place.registry(SPEC.champion_name), NAMES, train=SPEC.train)


def test_a_champion_that_names_no_classes_is_one_message(tmp_path: Path) -> None:
    session = session_at(tmp_path)
    held = session.place.registry(SPEC.champion_name)
    held.promote(
        held.publish({"best.pt": written(tmp_path, "x", "x")}, {"promotion.json": {"names": 3}}), why="by hand"
    )
    with pytest.raises(RegistryError, match=r"promotion\.json: must name the classes of the champion under `names`"):
        publish.check_champion(session.place.registry(SPEC.champion_name), NAMES, train=SPEC.train)
