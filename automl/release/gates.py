"""Gates: criteria that a model must pass before it serves. Pure.

Two questions are separate: whether tuned params are better than the baseline's is a claim (`convincing`); which model
ships is chosen on val (hpo/selection.py). The gates judge the model that ships.
"""

from collections.abc import Iterator
from math import isfinite

from automl.study import ExportResult, Gates
from automl.study.verdict import GateResult, Interval


def judge(built: ExportResult, gates: Gates, *, over_champion: Interval | None = None) -> tuple[GateResult, ...]:
    """Return the result of each gate.

    `over_champion` is the model's difference to the serving champion, both measured as exported on the same images;
    None without a champion: then only the gates of the export apply.

    >>> from pathlib import Path
    >>> from automl.study import Artifact
    >>> built = ExportResult(Artifact(Path("model.onnx"), "onnx", 0.5), 1e-4, torch_score=0.5)
    >>> [result.passed for result in judge(built, Gates())]
    [True]
    >>> judge(built, Gates(), over_champion=Interval(0.01, -0.02, 0.04, lower=-0.015))[1].reason[:58]
    'refused: challenger over champion (proven): lower bound of'
    """
    return (*_export(built, gates), *_champion(over_champion, gates))


def _export(built: ExportResult, gates: Gates) -> Iterator[GateResult]:
    yield _loss("ONNX", built.torch_score - built.onnx_score, gates)
    engine = built.engine
    measured = engine is not None and engine.score is not None
    if engine and engine.score is not None:
        yield _loss("engine", built.torch_score - engine.score, gates)
    if gates.require_engine:
        state = "built and measured" if measured else "built, not measured" if engine else "not built"
        text = f"engine: must be built and measured on this machine, but was {state}"
        yield GateResult("engine built", measured, 1.0, float(measured), text)


def _loss(what: str, loss: float, gates: Gates) -> GateResult:
    passed = loss <= gates.max_export_loss
    verb = "holds with" if passed else "must hold, but got"
    text = f"{what} against weights: loss <= {gates.max_export_loss:g} {verb} {loss:+.4f}"
    return GateResult(f"{what} loss", passed, gates.max_export_loss, loss if isfinite(loss) else None, text)


def _champion(over: Interval | None, gates: Gates) -> Iterator[GateResult]:
    if over is None:
        return
    proven = gates.policy == "proven"
    found = over.lower if proven else over.value
    passed = found > gates.min_gain
    verb = "holds with" if passed else "must hold, but got"
    law = f"{'lower bound of the difference' if proven else 'difference'} > {gates.min_gain:g}"
    text = (
        f"challenger over champion ({gates.policy}): {law} {verb} {over.text(sign='+')}, lower bound {over.lower:+.4f}"
    )
    yield GateResult("champion", passed, gates.min_gain, found if isfinite(found) else None, text)
