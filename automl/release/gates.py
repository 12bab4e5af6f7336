"""The gates that a model must pass before it serves. Pure: the same evidence always gets the same verdict.

Two questions are kept apart: whether tuned params are better than the baseline's is a claim (`convincing`), which of
the models that exist ships is a choice on val (hpo/selection.py). The gates judge what ships.
"""

from collections.abc import Iterator

from automl.hpo.bootstrap import Interval
from automl.study import Engine, Gates, Promotion


def judge(engine: Engine, gates: Gates, *, over_champion: Interval | None = None) -> Promotion:
    """Return the verdict on a model with one reason a gate, failed ones first.

    `over_champion` is its difference to the serving champion, both measured by what ships on the same images; None
    where nothing serves: then the gates of the export alone decide.

    >>> from pathlib import Path
    >>> engine = Engine(Path("model.onnx"), 1e-4, onnx_score=0.5, torch_score=0.5)
    >>> judge(engine, Gates()).accepted
    True
    >>> judge(engine, Gates(), over_champion=Interval(0.01, -0.02, 0.04, lower=-0.015)).reasons[0][:58]
    'refused: challenger over champion (proven): lower bound of'
    """
    checks = [*_export(engine, gates), *_champion(over_champion, gates)]
    checks.sort(key=lambda check: check[0])
    reasons = tuple(f"{'passed' if passed else 'refused'}: {law}" for passed, law in checks)
    return Promotion(accepted=all(passed for passed, _ in checks), reasons=reasons, notes=engine.notes)


def _export(engine: Engine, gates: Gates) -> Iterator[tuple[bool, str]]:
    yield _loss("ONNX", engine.torch_score - engine.onnx_score, gates)
    if engine.plan_score is not None:
        yield _loss("engine", engine.torch_score - engine.plan_score, gates)
    if gates.require_engine:
        built = engine.plan is not None and engine.plan_score is not None
        state = "built and measured" if built else "built, not measured" if engine.plan else "not built"
        yield built, f"engine: must be built and measured on this machine, and was {state}"


def _loss(what: str, loss: float, gates: Gates) -> tuple[bool, str]:
    passed = loss <= gates.max_export_loss
    verb = "holds with" if passed else "must hold, but got"
    return passed, f"{what} against weights: loss <= {gates.max_export_loss:g} {verb} {loss:+.4f}"


def _champion(over: Interval | None, gates: Gates) -> Iterator[tuple[bool, str]]:
    if over is None:
        return
    proven = gates.policy == "proven"
    passed = (over.lower if proven else over.value) > gates.min_gain
    verb = "holds with" if passed else "must hold, but got"
    law = f"{'lower bound of the difference' if proven else 'difference'} > {gates.min_gain:g}"
    yield (
        passed,
        f"challenger over champion ({gates.policy}): {law} {verb} {over.value:+.4f} "
        f"({over.low:+.4f}..{over.high:+.4f}), lower bound {over.lower:+.4f}",
    )
