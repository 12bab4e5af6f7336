"""The verdict: every gate is named, a failed one refuses, and better evidence never turns a yes into a no."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.hpo.statistics import convincing
from automl.release.gates import judge, of_target
from automl.study import Artifact, ExportResult, Footprint, Gain, Gates, Latency, Parity, Target, TargetResult
from automl.study.objective import Constraint
from automl.study.verdict import Interval

GRAPH = Artifact(Path("model.onnx"), "onnx", 0.5)
PLAN = Artifact(Path("model.engine"), "tensorrt 11", 0.5)
ENGINE = ExportResult(GRAPH, 1e-4, torch_score=0.5)
BUILT = replace(ENGINE, engine=PLAN)
AHEAD = Interval(0.05, 0.01, 0.09, lower=0.02)
"""Better than the champion, and surely so."""
UNSURE = Interval(0.05, -0.02, 0.12, lower=-0.01)
NAN = float("nan")

scores = st.floats(0, 1)
maybe = st.none() | scores
gates = st.builds(
    Gates, policy=st.sampled_from(["proven", "expected"]), min_gain=scores, max_export_loss=scores,
    require_engine=st.booleans(),
)  # fmt: skip
engines = st.builds(
    ExportResult, onnx=st.builds(Artifact, st.just(Path("m.onnx")), st.just("onnx"), scores), onnx_difference=scores,
    torch_score=scores,
    engine=st.none() | st.builds(Artifact, st.just(Path("m.engine")), st.just("tensorrt 11"), maybe),
)  # fmt: skip
differences = st.builds(
    lambda value, width: Interval(value, value - width, value + width, value - width), scores, scores
)


def accepted(engine: ExportResult, laws: Gates, over: Interval | None = None) -> bool:
    return all(result.passed for result in judge(engine, laws, over_champion=over))


@given(engines, gates, differences, st.floats(0, 1))
def test_a_larger_difference_never_turns_a_yes_into_a_no(
    engine: ExportResult, laws: Gates, over: Interval, more: float
) -> None:
    better = Interval(over.value + more, over.low + more, over.high + more, over.lower + more)
    assert accepted(engine, laws, over) <= accepted(engine, laws, better)
    assert accepted(engine, laws, over) <= accepted(engine, laws)


@given(engines, gates, st.none() | differences)
def test_every_gate_says_its_law_and_what_it_found(engine: ExportResult, laws: Gates, over: Interval | None) -> None:
    results = judge(engine, laws, over_champion=over)
    assert len(results) == 2 + (engine.engine is not None and engine.engine.score is not None) + laws.require_engine + (
        over is not None
    )
    assert len({result.name for result in results}) == len(results)
    for result in results:
        margin = "" if result.margin is None else f", margin {result.margin:+.4f}"
        assert result.reason == f"{'passed' if result.passed else 'refused'}: {result.text}{margin}"
        if result.value is not None and result.margin is not None:
            assert abs(result.margin) == pytest.approx(abs(result.value - result.limit), abs=1e-9)
            assert result.margin >= 0 if result.passed else result.margin <= 0
        assert result.value is not None


@pytest.mark.parametrize(
    ("engine", "laws", "over", "refused"),
    [
        (replace(ENGINE, onnx=replace(GRAPH, score=0.49)), Gates(), None,
         "ONNX against weights: loss <= 0.005 must hold, but got +0.0100"),
        (replace(BUILT, engine=replace(PLAN, score=0.4)), Gates(), None,
         "engine against weights: loss <= 0.005 must hold"),
        (ENGINE, Gates(require_engine=True), None,
         "engine: must be built and measured on this machine, but was not built"),
        (replace(BUILT, engine=replace(PLAN, score=None)), Gates(require_engine=True), None,
         "engine: must be built and measured on this machine, but was built, not measured"),
        (replace(ENGINE, onnx=replace(GRAPH, score=0.0), torch_score=0.0), Gates(), None,
         "score of the ONNX file: > 0 must hold, but got 0.0000"),
        (ENGINE, Gates(), UNSURE,
         "challenger over champion (proven): lower bound of the difference > 0 must hold, but got +0.0500"),
        (ENGINE, Gates(min_gain=0.03), AHEAD,
         "challenger over champion (proven): lower bound of the difference > 0.03 must hold"),
        (ENGINE, Gates(), replace(AHEAD, lower=NAN), "challenger over champion (proven)"),
        (ENGINE, Gates(policy="expected", min_gain=0.06), AHEAD,
         "challenger over champion (expected): difference > 0.06 must hold"),
    ],
)  # fmt: skip
def test_a_gate_that_fails_refuses(engine: ExportResult, laws: Gates, over: Interval | None, refused: str) -> None:
    (failed,) = (result for result in judge(engine, laws, over_champion=over) if not result.passed)
    assert failed.reason.startswith(f"refused: {refused}")


def test_a_score_that_is_no_number_passes_no_gate() -> None:
    assert not any(result.passed for result in judge(replace(ENGINE, onnx=replace(GRAPH, score=NAN)), Gates()))


@pytest.mark.parametrize(("policy", "expected"), [("proven", False), ("expected", True)])
def test_an_unsure_difference_is_accepted_where_the_expected_one_decides(
    policy: Literal["proven", "expected"], *, expected: bool
) -> None:
    assert all(result.passed for result in judge(ENGINE, Gates(policy=policy), over_champion=UNSURE)) is expected


def test_a_challenger_that_passes_all_is_accepted() -> None:
    results = judge(BUILT, Gates(require_engine=True), over_champion=AHEAD)
    assert [result.name for result in results if result.passed] == [
        "score",
        "ONNX loss",
        "engine loss",
        "engine built",
        "champion",
    ]


@pytest.mark.parametrize("low", [0.0, -0.1, float("-inf"), NAN])
def test_a_gain_whose_lower_bound_is_not_above_the_least_gain_is_not_shown(low: float) -> None:
    assert not convincing(Gain(0.1, low, 0.95, (), ()), Gates())


SAME = Interval(0.0, 0.0, 0.0, lower=0.0)
PARITY = Parity("cpu", 0.3, SAME, SAME, SAME, SAME, {"bolt": 0.0}, 0.0)
CPU = TargetResult(Target("cpu", "openvino", "int8", 0.01), GRAPH, parity=PARITY)


@pytest.mark.parametrize(
    ("parity", "refused"),
    [
        (replace(PARITY, objective=Interval(-0.002, -0.02, 0.01, lower=-0.011)),
         "cpu objective against weights: lower bound of the difference >= -0.01 must hold, but got -0.0020"),
        (replace(PARITY, f1=Interval(-0.01, -0.03, 0.0, lower=-0.021)),
         "cpu F1 at threshold 0.3 against weights: lower bound of the difference >= -0.02 must hold, but got -0.0100"),
        (replace(PARITY, recall=Interval(-0.03, -0.1, 0.0, lower=-0.09)),
         "cpu recall at threshold 0.3 against weights: difference >= -0.02 must hold, but got -0.0300"),
        (replace(PARITY, class_recall={"bolt": 0.1, "nut": -0.06}),
         "cpu recall of class 'nut' at threshold 0.3 against weights: difference >= -0.05 must hold, but got -0.0600"),
        (replace(PARITY, drift=-0.2),
         "cpu mean confidence of the true boxes against weights: difference >= -0.05 must hold, but got -0.2000"),
        (replace(PARITY, drift=0.2),
         "cpu mean confidence of the true boxes against weights: difference >= -0.05 must hold, but got -0.2000"),
        (None, None),
    ],
)  # fmt: skip
def test_an_artifact_that_loses_too_much_is_refused(parity: Parity | None, refused: str | None) -> None:
    results = list(of_target(replace(CPU, parity=parity or PARITY), Gates()))
    failed = [result.text[: len(refused or "")] for result in results if not result.passed]
    assert failed == ([refused] if refused else [])


def test_a_required_target_refuses_the_model_and_another_does_not() -> None:
    absent = replace(CPU, artifact=None, parity=None, note="no package")
    assert accepted(replace(ENGINE, targets=(absent,)), Gates())
    required = replace(absent, target=replace(absent.target, required=True))
    assert not accepted(replace(ENGINE, targets=(required,)), Gates())


def test_the_onnx_file_is_judged_at_the_served_threshold() -> None:
    assert accepted(replace(ENGINE, parity=PARITY), Gates())
    assert not accepted(replace(ENGINE, parity=replace(PARITY, drift=-0.2)), Gates())


WHOLE = Latency(8.5, 9.0, 9.5, 0.01, "cpu")
COSTS = Footprint(Latency(7.5, 8.0, 9.0, 0.01, "cpu"), 12.0)
ON_CPU = TargetResult(Target("cpu", "openvino", "fp16", 0.01), GRAPH, latency=COSTS.latency, mb=12.0)


@pytest.mark.parametrize(
    ("law", "built", "passed", "value", "margin"),
    [
        ("latency_ms <= 8 on cpu", replace(ENGINE, targets=(ON_CPU,)), True, 7.5, 0.5),
        ("size_mb <= 10 on cpu", replace(ENGINE, targets=(ON_CPU,)), False, 12.0, -2.0),
        ("latency_ms <= 7 on onnx", replace(ENGINE, onnx_cost=COSTS), False, 7.5, -0.5),
        ("end_to_end_ms <= 9 on onnx", replace(ENGINE, onnx_cost=replace(COSTS, end_to_end=WHOLE)), True, 8.5, 0.5),
        ("end_to_end_ms <= 9 on onnx", replace(ENGINE, onnx_cost=COSTS), False, None, None),
        ("end_to_end_ms <= 8 on cpu", replace(ENGINE, targets=(replace(ON_CPU, end_to_end=WHOLE),)), False, 8.5, -0.5),
        ("latency_ms <= 8 on onnx", ENGINE, False, None, None),
        ("latency_ms <= 8 on cpu", ENGINE, False, None, None),
    ],
)
def test_a_model_that_breaks_a_constraint_or_was_not_measured_is_refused(
    law: str, built: ExportResult, *, passed: bool, value: float | None, margin: float | None
) -> None:
    gate = judge(built, Gates(), constraints=[Constraint.of(law)])[-1]
    assert (gate.passed, gate.value, gate.margin) == (passed, value, margin)
    assert gate.name == law.replace(law[law.index(" <=") : law.index(" on")], "")
    assert law.partition(" ")[0] in gate.reason


def test_a_target_over_its_limits_is_left_out_with_the_measured_values() -> None:
    limits = replace(ON_CPU.target, max_latency_ms=7.0, max_end_to_end_ms=9.0, max_mb=20.0)
    found = {gate.name: gate for gate in of_target(replace(ON_CPU, target=limits), Gates())}
    assert not found["target cpu latency_ms"].passed
    assert found["target cpu latency_ms"].text == "target cpu: latency_ms <= 7 must hold, but got 7.5"
    assert found["target cpu size_mb"].margin == 8.0
    assert found["target cpu end_to_end_ms"].text.endswith("must hold, but got no measurement")
