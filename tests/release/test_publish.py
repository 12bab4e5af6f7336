"""How a study is settled, with a real registry and without a real model."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from automl.data.record import DataSet
from automl.hpo.selection import Candidate
from automl.pipeline import finish, run
from automl.pipeline.session import Session
from automl.release import publish
from automl.release.gates import judge
from automl.release.publish import Case, Confirmed, Worth
from automl.storage.curves_file import write_curves
from automl.storage.journal import Journal
from automl.storage.place import Place
from automl.study import Artifact, ExportResult, Gain, Score
from automl.study.confirmation_end import ConfirmationEnd, Why
from automl.study.errors import StudyError
from automl.study.load import dump
from automl.study.results import DEFAULT
from automl.study.verdict import Interval, Verdict
from automl.study.yaml_io import dump_yaml
from automl.tracking import outcome
from automl.tracking.console import Progress
from automl.tracking.report import page as report
from tests.builders import METRIC, completed, curve, spec_of
from tests.conftest import job_at
from tests.simulated_study import attach

CHALLENGER = "challenger"
SPEC = spec_of(confirm={"seeds": 2})
NAMES = {0: "hole", 1: "spot"}


def session_at(storage: Path) -> Session:
    place = Place(storage)
    folder = place.study(SPEC.name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(dump(SPEC))
    data = DataSet(storage / "data.yaml", NAMES, {}, {}, (), "f" * 64)
    journal = Journal.create(folder, name=SPEC.name, metric=METRIC)
    progress = Progress(folder / "study.log", console=Console(quiet=True))
    attach(progress)
    return Session(SPEC, place, folder, data, folder, journal, progress)


def score_at(session: Session, side: str, seed: int, value: float) -> Score:
    """Lay down a re-training as the cluster leaves it."""
    folder = session.folder / "confirm" / f"{side}_seed{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "best.pt").write_text(f"{side} {seed}")
    (folder / "params.yaml").write_text(dump_yaml(job_at(folder, Path("data.yaml")).to_dict()))
    write_curves(folder, curve([value - 0.1, value]))
    return Score(seed, value, {METRIC: value}, folder / "best.pt")


def case_of(session: Session, *, low: float, side: str = CHALLENGER, further: int | None = None) -> Case:
    scores = {
        side: tuple(score_at(session, side, seed, 0.4 + seed / 10) for seed in (1, 2)) for side in (CHALLENGER, DEFAULT)
    }
    gain = Gain(0.05, low, 0.9, scores[CHALLENGER], scores[DEFAULT])
    onnx = session.folder / "model.onnx"
    onnx.write_text(side)
    chosen = Candidate(f"{side}_seed2", side, 0.6, scores[side][1].weights)
    engine = ExportResult(Artifact(onnx, "onnx", 0.6), 1e-6, torch_score=0.6, metrics={"test/map50_95": 0.6})
    confirmed = Confirmed(completed(1, [0.5]), {"lr0": 0.01}, gain, {}, further)
    worth = Worth(Interval(0.6, 0.5, 0.7, 0.52), 40, Interval(0.1, 0.02, 0.18, 0.03), 2, None)
    return Case(confirmed, chosen, {"lr0": 0.01}, engine, worth)


def settled(session: Session, *, low: float, side: str = CHALLENGER, over: Interval | None = None) -> Verdict:
    case = case_of(session, low=low, side=side)
    results = judge(case.built, session.spec.laws, over_champion=over)
    verdict = publish.verdict_of(session, replace(case, worth=replace(case.worth, champion=serving(session))), results)
    return finish.publish(session, verdict, compare_again=unasked)


def serving(session: Session) -> int:
    return session.place.registry(SPEC.champion_name).aliases().get("champion", 0)


def unasked(_verdict: Verdict) -> Verdict:
    pytest.fail("nothing is to be compared again")


def test_the_chosen_model_is_the_first_champion_even_if_its_params_are_no_better(tmp_path: Path) -> None:
    for number, low in enumerate((0.01, -0.01)):
        session = session_at(tmp_path / str(number))

        facts = settled(session, low=low)

        assert (facts.accepted, facts.side, facts.claim.better) == (True, CHALLENGER, low > 0)
        registry = session.place.registry(SPEC.champion_name)
        assert registry.aliases() == {"challenger": 1, "champion": 1}
        assert (registry.path("champion") / "best.pt").read_text() == "challenger 2"


def test_what_ships_how_it_compares_and_whether_params_are_better_stand_apart(
    tmp_path: Path,
) -> None:
    told = outcome.lines(settled(session_at(tmp_path), low=-0.01, side=DEFAULT), "small")

    assert told == [
        "what ships: default_seed2, trained with the baseline's params: map50_95 0.6000 (0.5000..0.7000) on 40 images "
        "of test (95% interval), chosen on val",
        "against a plain yolo train: +0.1000 (+0.0200..+0.1800) (95% interval), the mean of 2 models",
        "no significant gain of the params over the baseline: map50_95 0.5500 against the baseline's 0.5500 on test, "
        "which is a valid result",
        "champion small: version 1",
    ]


def test_a_sure_gain_of_the_params_is_told(tmp_path: Path) -> None:
    told = outcome.lines(settled(session_at(tmp_path), low=0.01), "small")
    assert told[2].startswith("the params of trial 1 are better: map50_95 0.5500 against the baseline's")


def test_what_is_not_known_without_re_trainings_is_said(tmp_path: Path) -> None:
    session = session_at(tmp_path)
    case = case_of(session, low=float("-inf"))
    bare = replace(
        case,
        confirmed=replace(case.confirmed, gain=Gain(0.0, float("-inf"), 0.95, (), ())),
        worth=replace(case.worth, over_baseline=None, baselines=0),
    )
    facts = replace(publish.verdict_of(session, bare, judge(case.built, SPEC.laws)), version=1)

    told = outcome.lines(facts, "small")

    assert told[1] == "against a plain yolo train: not known, since no model of the baseline was trained to the end"
    assert told[2].startswith("whether the params are better is not known: no model was retrained")


def test_a_close_verdict_says_what_would_decide_it(tmp_path: Path) -> None:
    session = session_at(tmp_path)
    for name in ("challenger_seed1", "challenger_seed2", "default_seed1", "default_seed2"):
        session.journal.note(f"confirm:{name}", {})
    case = case_of(session, low=-0.01, further=3)
    facts = replace(publish.verdict_of(session, case, judge(case.built, SPEC.laws)), version=1)

    assert outcome.lines(facts, "small")[3] == (
        "the result is close: 3 more seeds of each will decide it if the difference persists; run the command again "
        "with --set confirm.retrainings=10"
    )
    wider = spec_of(confirm={"seeds": 2, "retrainings": 10})
    assert publish.extended(facts, wider.retrainings[1])
    assert not publish.extended(facts, SPEC.retrainings[1])


def test_the_end_of_a_confirmation_is_told_and_kept(tmp_path: Path) -> None:
    session, end = session_at(tmp_path), ConfirmationEnd(3, Why.UNREACHABLE)
    case = case_of(session, low=-0.01)
    case = replace(case, confirmed=replace(case.confirmed, end=end))
    facts = replace(publish.verdict_of(session, case, judge(case.built, SPEC.laws)), version=1)

    assert outcome.lines(facts, "small")[2].endswith(
        "which is a valid result; the confirmation ended at look 3: the re-trainings left would hardly show a gain"
    )
    assert Verdict.from_dict(facts.to_dict()).claim.end == end
    plain = {key: value for key, value in facts.to_dict().items() if key != "end"}
    assert Verdict.from_dict(plain).claim.end is None


def test_a_study_finished_by_an_earlier_version_stays_finished(tmp_path: Path) -> None:
    session = session_at(tmp_path)
    case = case_of(session, low=-0.01)
    case = replace(case, confirmed=replace(case.confirmed, allowed=9))
    facts = replace(publish.verdict_of(session, case, judge(case.built, SPEC.laws)), version=1)
    session.journal.note("promotion", facts.to_dict())

    assert run.finished(session.journal, retrainings="auto") == facts
    assert run.finished(session.journal, retrainings=9) == facts
    assert run.finished(session.journal, retrainings=10) is None
    assert session.journal.notes()["promotion"] is None


@pytest.mark.parametrize(("over", "accepted"), [(0.02, True), (-0.02, False)])
def test_a_serving_champion_stays_unless_the_gate_is_passed(tmp_path: Path, over: float, *, accepted: bool) -> None:
    settled(session_at(tmp_path), low=0.01)
    session = session_at(tmp_path)

    facts = settled(session, low=0.01, side=DEFAULT, over=Interval(0.05, over, 0.1, lower=over))

    assert facts.accepted is accepted
    assert session.place.registry(SPEC.champion_name).aliases()["champion"] == (2 if accepted else 1)
    assert ("nothing was promoted" in outcome.lines(facts, "small")[-1]) is not accepted


def test_a_champion_of_other_classes_is_refused_before_the_first_trial(tmp_path: Path) -> None:
    settled(session_at(tmp_path), low=0.01)

    registry = session_at(tmp_path).place.registry(SPEC.champion_name)
    publish.check_champion(registry, NAMES, train={})
    with pytest.raises(
        StudyError, match=r"must have the classes of this study, .'spot', 'hole'., but has .'hole', 'spot'"
    ):
        publish.check_champion(registry, {0: "spot", 1: "hole"}, train={})


def test_a_bound_that_is_not_there_is_written_as_none(tmp_path: Path) -> None:
    assert settled(session_at(tmp_path), low=float("-inf")).claim.lower_bound is None


@pytest.mark.parametrize("low", [-0.01, 0.01])
def test_a_study_killed_while_it_settles_settles_alike_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, low: float
) -> None:
    session = session_at(tmp_path)
    case = case_of(session, low=low)
    facts = publish.verdict_of(session, case, judge(case.built, SPEC.laws))
    with monkeypatch.context() as patched:
        patched.setattr(report, "write", lambda *_args, **_kwargs: (_ for _ in ()).throw(KeyboardInterrupt("killed")))
        with pytest.raises(KeyboardInterrupt, match="killed"):
            finish.publish(session, facts, compare_again=unasked)

    done = finish.publish(session, facts, compare_again=unasked)

    registry = session.place.registry(SPEC.champion_name)
    assert (done.accepted, done.version) == (True, 1)
    assert registry.versions() == [1]
    assert registry.aliases() == {"challenger": 1, "champion": 1}


def test_a_version_keeps_what_its_data_looked_like_where_the_study_knows(tmp_path: Path) -> None:
    session = session_at(tmp_path)
    (session.folder / "dataset.json").write_text("{}")
    settled(session, low=0.01)
    held = session.place.registry(SPEC.champion_name)
    assert (held.path(1) / "dataset.json").read_text() == "{}"
    assert held.verify(1) == []


def test_a_verdict_survives_the_journal(tmp_path: Path) -> None:
    session = session_at(tmp_path)
    for further in (None, 3):
        case = case_of(session, low=-0.01, further=further)
        results = judge(case.built, SPEC.laws, over_champion=Interval(0.1, 0.0, 0.2, 0.01))
        verdict = publish.verdict_of(session, case, results)
        session.journal.note("verdict", verdict.to_dict())
        again = Verdict.from_dict(session.journal.notes()["verdict"])
        assert again == verdict
        assert again.to_dict() == verdict.to_dict()
