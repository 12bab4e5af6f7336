"""The verdict: every gate is told, a failed one refuses, and better evidence never turns a yes into a no."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.promotion import judge
from automl.records import Engine, Gain, Gates

GOOD = Gain(difference=0.1, low=0.05, confidence=0.9, challenger=(), default=())
ENGINE = Engine(Path("model.onnx"), 1e-4, onnx_score=0.5, torch_score=0.5)
BUILT = replace(ENGINE, plan=Path("model.engine"), builder="tensorrt 11", plan_score=0.5)
NAN = float("nan")

scores = st.floats(0, 1)
bounds = st.floats(-1, 1)
maybe = st.none() | scores
gates = st.builds(Gates, min_gain=scores, max_export_loss=scores, require_engine=st.booleans())
engines = st.builds(
    Engine, onnx=st.just(Path("m.onnx")), onnx_difference=scores, onnx_score=scores, torch_score=scores,
    plan=st.none() | st.just(Path("m.engine")), plan_score=maybe,
)  # fmt: skip


def accepted(gain: Gain, engine: Engine, laws: Gates, champion: float | None = None) -> bool:
    return judge(gain, engine, laws, champion_score=champion).accepted


@given(bounds, bounds, engines, gates, maybe)
def test_a_larger_lower_bound_never_turns_a_yes_into_a_no(
    low: float, more: float, engine: Engine, laws: Gates, champion: float | None
) -> None:
    worse, better = (replace(GOOD, low=bound) for bound in sorted((low, more)))
    assert accepted(worse, engine, laws, champion) <= accepted(better, engine, laws, champion)


@given(bounds, engines, gates, scores, scores)
def test_a_worse_champion_never_turns_a_yes_into_a_no(
    low: float, engine: Engine, laws: Gates, champion: float, other: float
) -> None:
    weaker, stronger = sorted((champion, other))
    gain = replace(GOOD, low=low)
    assert accepted(gain, engine, laws, stronger) <= accepted(gain, engine, laws, weaker)
    assert accepted(gain, engine, laws, stronger) <= accepted(gain, engine, laws, None)


@given(bounds, engines, gates, maybe)
def test_the_verdict_is_yes_when_every_gate_is_passed(
    low: float, engine: Engine, laws: Gates, champion: float | None
) -> None:
    verdict = judge(replace(GOOD, low=low), engine, laws, champion_score=champion)
    kinds = [reason.partition(":")[0] for reason in verdict.reasons]
    assert set(kinds) <= {"passed", "refused"}
    assert verdict.accepted is ("refused" not in kinds)
    assert kinds == sorted(kinds, reverse=True)
    gated = 2 + (engine.plan_score is not None) + laws.require_engine + (champion is not None)
    assert len(verdict.reasons) == gated


@pytest.mark.parametrize(
    ("gain", "engine", "laws", "champion", "refused"),
    [
        (replace(GOOD, low=0.0), ENGINE, Gates(), None, "gain over the default: lower bound at 90% > 0 must hold"),
        (replace(GOOD, low=float("-inf")), ENGINE, Gates(), None, "gain over the default"),
        (replace(GOOD, low=NAN), ENGINE, Gates(), None, "gain over the default"),
        (GOOD, ENGINE, Gates(min_gain=0.05), None, "gain over the default: lower bound at 90% > 0.05 must hold"),
        (GOOD, replace(ENGINE, onnx_score=0.49), Gates(), None,
         "ONNX against weights: loss <= 0.005 must hold, but got +0.0100"),
        (GOOD, replace(ENGINE, onnx_score=NAN), Gates(), None, "ONNX against weights"),
        (GOOD, replace(BUILT, plan_score=0.4), Gates(), None, "engine against weights: loss <= 0.005 must hold"),
        (GOOD, ENGINE, Gates(require_engine=True), None,
         "engine: must be built and measured on this machine, and was not built"),
        (GOOD, replace(BUILT, plan_score=None), Gates(require_engine=True), None,
         "engine: must be built and measured on this machine, and was built, not measured"),
        (GOOD, ENGINE, Gates(), 0.5, "challenger > champion must hold, but got 0.5000 against 0.5000"),
        (GOOD, ENGINE, Gates(), NAN, "challenger > champion"),
    ],
)  # fmt: skip
def test_a_gate_that_fails_refuses_and_stands_first(
    gain: Gain, engine: Engine, laws: Gates, champion: float | None, refused: str
) -> None:
    verdict = judge(gain, engine, laws, champion_score=champion)
    assert not verdict.accepted
    assert verdict.reasons[0].startswith(f"refused: {refused}")
    assert not any(reason.startswith("refused") for reason in verdict.reasons[1:])


def test_a_challenger_that_passes_all_is_accepted() -> None:
    verdict = judge(GOOD, BUILT, Gates(require_engine=True), champion_score=0.4)
    assert verdict.accepted
    assert [reason.split(":")[0] for reason in verdict.reasons] == ["passed"] * 5


def test_what_could_not_be_done_is_kept_with_the_verdict() -> None:
    engine = replace(ENGINE, notes=("no engine was built: no builder",))
    assert judge(GOOD, engine, Gates()).notes == engine.notes
