"""Lines on a verdict: refused gates one by one, passed ones as a number."""

from dataclasses import replace

from automl.study.gate_result import GateResult
from automl.study.verdict import Verdict
from automl.tracking import outcome
from tests.tracking.report.test_page import FACTS


def test_passed_gates_are_counted_and_each_other_one_is_told() -> None:
    gates = tuple(GateResult(name, name != "size", 1.0, 2.0, f"{name} of 2") for name in ("speed", "loss", "size"))
    reasons = (*(gate.reason for gate in gates), "refused: no engine")
    verdict = replace(Verdict.from_dict(FACTS), gates=gates, reasons=reasons)
    assert outcome.gates(verdict) == ["gates: 2 of 3 passed", f"gate {gates[2].reason}", "gate refused: no engine"]


def test_a_verdict_of_a_version_without_gates_tells_all_reasons() -> None:
    assert outcome.gates(replace(Verdict.from_dict(FACTS), gates=())) == ["gate passed: gain"]
