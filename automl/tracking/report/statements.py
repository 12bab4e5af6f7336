"""Statements of a verdict in the report: what ships, how it compares, whether the params are better, the gates."""

import math
import re
from typing import Final

from markupsafe import Markup

from automl.study.gate_result import GateResult
from automl.study.verdict import Verdict
from automl.tracking.outcome import objections
from automl.tracking.report.language import MISSING, Language, Words

DIFFERENCE: Final = re.compile(
    r"(?P<what>ONNX|target \S+) (?P<measure>objective|F1|precision|recall|class recall|confidence|built)"
    r"(?: at threshold (?P<threshold>\S+))?"
)
"""Name of a gate on an exported model against its weights (`release.gates`)."""
COST: Final = re.compile(
    r"(?P<quantity>latency_ms|end_to_end_ms|size_mb) on (?P<target>\S+)|"
    r"target (?P<of>\S+) (?P<of_target>latency_ms|end_to_end_ms|size_mb)"
)
"""Name of a gate on what a model costs."""


def statements(verdict: Verdict, words: Words) -> dict[str, Markup]:
    """Return the three statements; none for a verdict of an earlier version."""
    shipped, over = verdict.shipped, verdict.over_baseline
    if shipped is None:
        return {}
    compared = words("compared_unknown")
    if over:
        key = "compared_one" if over.models == 1 else "compared_many"
        compared = words(key, score=over.difference.text(sign="+"), models=over.models)
    return {
        "ships": words(
            "ships_default" if verdict.side == "default" else "ships_text",
            name=shipped.name,
            objective=verdict.objective,
            split=verdict.split,
            score=shipped.score.text(),
            images=shipped.images,
        ),
        "compared": compared,
        "better": _gain(verdict, words),
    }


def _gain(verdict: Verdict, words: Words) -> Markup:
    claim = verdict.claim
    if not claim.known:
        return words("better_unknown")
    sure = words("unsure")
    if claim.lower_bound is not None and math.isfinite(claim.lower_bound):
        sure = words("sure", confidence=claim.confidence, bound=claim.lower_bound)
    return words(
        "better_yes" if claim.better else "better_no",
        trial=claim.trial,
        gain=claim.difference,
        objective=verdict.objective,
        split=verdict.split,
        sure=sure,
        further=words("further", seeds=claim.further.seeds) if claim.further else "",
        end=words(f"end.{claim.end.why}", look=claim.end.looks) if claim.end else "",
    )


def gates(verdict: Verdict, words: Words) -> list[str | Markup]:
    """Return a line on each passed gate; in another language than English from their values."""
    return [_gate_line(gate, words) for gate in verdict.gates if gate.passed]


def reasons(verdict: Verdict, words: Words) -> list[str | Markup]:
    """Return a line on each refused gate, and on each reason that is no gate, as in a verdict of an earlier version."""
    if words.language is not Language.EN and verdict.gates:
        return [_gate_line(gate, words) for gate in verdict.gates if not gate.passed]
    return [words.quoted(reason) for reason in objections(verdict)]


def _gate_line(gate: GateResult, words: Words) -> str | Markup:
    if words.language is Language.EN:
        return words.quoted(gate.reason)
    return words(
        "gate_passed" if gate.passed else "gate_refused",
        name=_gate(gate.name, words),
        limit=gate.limit,
        value=MISSING if gate.value is None else f"{gate.value:+z.4f}",
        margin=MISSING if gate.margin is None else f"{gate.margin:+z.4f}",
    )


def _gate(name: str, words: Words) -> str | Markup:
    """Return the name of a gate; the English one, as a quotation, if it is not known."""
    found = DIFFERENCE.fullmatch(name)
    if cost := COST.fullmatch(name):
        key = "gate_cost" if cost["target"] else "gate_target_cost"
        quantity = words(f"quantity.{cost['quantity'] or cost['of_target']}")
        return words(key, quantity=quantity, target=cost["target"] or cost["of"])
    if found is None:
        return words.named("gate", name)
    at = words("gate_at", threshold=found["threshold"]) if found["threshold"] else ""
    target = found["what"].removeprefix("target ")
    what = target if target == found["what"] else words("gate_target", name=target)
    return words("gate_of", what=what, measure=words(f"measure.{found['measure']}"), at=at)
