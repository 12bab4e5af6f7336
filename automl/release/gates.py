"""Gates: criteria that a model must pass before it serves. Pure.

Two questions are separate: whether tuned params are better than the baseline's is a claim (`convincing`); which model
ships is chosen on val (hpo/selection.py). The gates judge the model that ships.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Final

from automl.study import ExportResult, Gates, Parity, TargetResult
from automl.study.gate_result import GateResult
from automl.study.objective import ONNX_TARGET, Constraint
from automl.study.verdict import Interval

CHAMPION: Final = "champion"
"""Name of the gate that compares with the serving champion."""
CHAMPION_RECALL: Final = "champion class recall"
AGAINST_CHAMPION: Final = frozenset({CHAMPION, CHAMPION_RECALL})
MOST_PIXELS: Final = 0.5
MOST_SCORE: Final = 1e-3
"""Largest differences of raw outputs of an ONNX file in FP32; measured: 1e-4 pixels, 1e-6 of a score."""


def judge(
    built: ExportResult,
    gates: Gates,
    *,
    over_champion: Interval | None = None,
    constraints: Sequence[Constraint] = (),
) -> tuple[GateResult, ...]:
    """Return the result of each gate.

    `over_champion` is the model's difference to the serving champion, both measured as exported on the same images;
    None without a champion: then only the gates of the export apply.

    >>> from pathlib import Path
    >>> from automl.study import Artifact
    >>> built = ExportResult(Artifact(Path("model.onnx"), "onnx", 0.5), 1e-4, torch_score=0.5)
    >>> [result.passed for result in judge(built, Gates())]
    [True, True]
    >>> judge(built, Gates(), over_champion=Interval(0.01, -0.02, 0.04, lower=-0.015))[-1].reason[:58]
    'refused: challenger over champion (proven): lower bound of'
    """
    required = (target for target in built.targets if target.target.required)
    demanded = (gate for target in required for gate in of_target(target, gates))
    limited = (_constraint(one, built) for one in constraints)
    return (*_export(built, gates), *built.contract, *demanded, *limited, *champion(over_champion, gates))


def of_target(built: TargetResult, gates: Gates) -> Iterator[GateResult]:
    """Yield the gates of the artifact for one target."""
    name = f"target {built.target.name}"
    there = built.artifact is not None
    text = f"{name}: must be built and measured, {'and was' if there else f'but was not: {built.note}'}"
    yield GateResult(f"{name} built", there, 1.0, float(there), text)
    for parity in filter(None, (built.parity, built.on_val)):
        yield from of_parity(parity, gates, max_loss=built.target.max_loss)
    target = built.target
    limits = {
        "latency_ms": target.max_latency_ms, "end_to_end_ms": target.max_end_to_end_ms, "size_mb": target.max_mb
    }  # fmt: skip
    for quantity, limit in limits.items():
        if limit is not None and there:
            yield _most(f"{name} {quantity}", f"{name}: {quantity}", built.cost(quantity), limit)


def _constraint(law: Constraint, built: ExportResult) -> GateResult:
    """Return the gate of a constraint of the objective on the exported model."""
    cost = law.cost
    if cost.target == ONNX_TARGET:
        value = built.onnx_cost.cost(cost.quantity) if built.onnx_cost else None
    else:
        mine = (one for one in built.targets if one.target.name == cost.target)
        value = next((one.cost(cost.quantity) for one in mine), None)
    return _most(cost.text, f"constraint: {cost.text}", value, law.limit)


def _most(name: str, what: str, value: float | None, limit: float) -> GateResult:
    """Return the gate on a cost that must not exceed a limit; one that was not measured is refused."""
    passed = value is not None and value <= limit
    verb = "holds with" if passed else "must hold, but got"
    return GateResult(name, passed, limit, value, f"{what} <= {limit:g} {verb} {_shown(value)}")


def _shown(value: float | None) -> str:
    return "no measurement" if value is None else f"{value:.4g}"


def of_parity(found: Parity, gates: Gates, *, max_loss: float) -> Iterator[GateResult]:
    """Yield the gates on the differences of an exported model to its weights.

    `max_loss` is the limit of the objective's loss, by the lower bound of the difference.
    """
    yield _bound(f"{found.what} objective", found.objective, -max_loss)
    yield from at_threshold(found, gates)


def at_threshold(found: Parity, gates: Gates) -> Iterator[GateResult]:
    """Yield the gates at the served threshold: F1, precision, recall, recall of each class, confidences."""
    at = f"at threshold {found.threshold:g}"
    yield _bound(f"{found.what} F1 {at}", found.f1, -gates.max_threshold_loss)
    for name, interval in (("precision", found.precision), ("recall", found.recall)):
        what = f"{found.what} {name} {at}"
        yield _value(what, what, interval.value, least=-gates.max_threshold_loss)
    worst = min(found.class_recall, key=lambda name: found.class_recall[name], default=None)
    if worst is not None:
        value = found.class_recall[worst]
        what = f"{found.what} recall of class {worst!r} {at}"
        yield _value(f"{found.what} class recall", what, value, least=-gates.max_class_recall_loss)
    what = f"{found.what} mean confidence of the true boxes"
    yield _value(f"{found.what} confidence", what, -abs(found.drift), least=-gates.max_drift)


def _bound(what: str, found: Interval, least: float) -> GateResult:
    passed = found.lower >= least
    verb = "holds with" if passed else "must hold, but got"
    law = f"{what} against weights: lower bound of the difference >= {least:g}"
    text = f"{law} {verb} {found.text(sign='+')}, lower bound {found.lower:+z.4f}"
    return GateResult(what, passed, least, found.lower if isfinite(found.lower) else None, text)


def _value(name: str, what: str, value: float, *, least: float) -> GateResult:
    passed = value >= least
    verb = "holds with" if passed else "must hold, but got"
    text = f"{what} against weights: difference >= {least:g} {verb} {value:+z.4f}"
    return GateResult(name, passed, least, value if isfinite(value) else None, text)


def _export(built: ExportResult, gates: Gates) -> Iterator[GateResult]:
    yield _score(built.onnx_score)
    yield _loss("ONNX", built.torch_score - built.onnx_score, gates)
    if built.raw:
        where = f"raw outputs of ONNX against weights on {built.raw.images} images"
        yield _most("ONNX box edges", f"{where}: edges of boxes in pixels", built.raw.box_px, MOST_PIXELS)
        yield _most("ONNX scores", f"{where}: scores", built.raw.score, MOST_SCORE)
    if built.parity:
        yield from at_threshold(built.parity, gates)
    if built.on_val:
        yield _loss("ONNX on val", -built.on_val.objective.value, gates)
        yield from at_threshold(built.on_val, gates)
    engine = built.engine
    measured = engine is not None and engine.score is not None
    if engine and engine.score is not None:
        yield _loss("engine", built.torch_score - engine.score, gates)
    if gates.require_engine:
        state = "built and measured" if measured else "built, not measured" if engine else "not built"
        text = f"engine: must be built and measured on this machine, but was {state}"
        yield GateResult("engine built", measured, 1.0, float(measured), text)


def _score(score: float) -> GateResult:
    """Return the gate that refuses a model which finds nothing."""
    passed = score > 0
    text = f"score of the ONNX file: > 0 {'holds with' if passed else 'must hold, but got'} {score:.4f}"
    return GateResult("score", passed, 0.0, score if isfinite(score) else None, text)


def _loss(what: str, loss: float, gates: Gates) -> GateResult:
    passed = loss <= gates.max_export_loss
    verb = "holds with" if passed else "must hold, but got"
    text = f"{what} against weights: loss <= {gates.max_export_loss:g} {verb} {loss:+z.4f}"
    return GateResult(f"{what} loss", passed, gates.max_export_loss, loss if isfinite(loss) else None, text)


def forgetting(name: str, over: Interval, gates: Gates) -> GateResult:
    """Return the gate on what a model has forgotten: its difference to the champion on an earlier data set.

    >>> forgetting("1", Interval(-0.01, -0.03, 0.01, lower=-0.025), Gates(policy="expected")).passed
    True
    """
    proven = gates.policy == "proven"
    found, least = over.lower if proven else over.value, -gates.max_forgetting
    passed = found >= least
    law = f"{'lower bound of the difference' if proven else 'difference'} >= {least:g}"
    text = (
        f"forgetting on {name} ({gates.policy}): {law} {'holds with' if passed else 'must hold, but got'} "
        f"{over.text(sign='+')}, lower bound {over.lower:+z.4f}"
    )
    return GateResult(f"forgetting {name}", passed, least, found if isfinite(found) else None, text)


def champion_recall(changes: Mapping[str, float], gates: Gates) -> Iterator[GateResult]:
    """Yield the gate on the class that loses most recall against the champion; none if no class has enough boxes.

    >>> [one.reason[:66] for one in champion_recall({"bolt": -0.2, "nut": 0.1}, Gates())]
    ["refused: recall of class 'bolt' at the served thresholds, challeng"]
    """
    if not changes:
        return
    worst = min(changes, key=lambda name: changes[name])
    found, least = changes[worst], -gates.max_champion_recall_loss
    passed = found >= least
    text = (
        f"recall of class {worst!r} at the served thresholds, challenger over champion: difference >= {least:g} "
        f"{'holds with' if passed else 'must hold, but got'} {found:+z.4f}"
    )
    yield GateResult(CHAMPION_RECALL, passed, least, found, text)


def champion(over: Interval | None, gates: Gates) -> Iterator[GateResult]:
    """Yield the gate on a model's difference to the serving champion; none without a champion."""
    if over is None:
        return
    proven = gates.policy == "proven"
    found = over.lower if proven else over.value
    passed = found > gates.min_gain
    verb = "holds with" if passed else "must hold, but got"
    law = f"{'lower bound of the difference' if proven else 'difference'} > {gates.min_gain:g}"
    text = (
        f"challenger over champion ({gates.policy}): {law} {verb} {over.text(sign='+')}, lower bound {over.lower:+z.4f}"
    )
    yield GateResult(CHAMPION, passed, gates.min_gain, found if isfinite(found) else None, text)
