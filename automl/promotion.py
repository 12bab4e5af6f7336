"""Judges a challenger by the study's gates. Pure: the same evidence always gets the same verdict."""

from collections.abc import Iterator

from automl.records import Engine, Gain, Gates, Promotion


def judge(gain: Gain, engine: Engine, gates: Gates, *, champion_score: float | None = None) -> Promotion:
    """Return the verdict with one reason a gate, failed ones first.

    `champion_score` is what the serving champion reaches on the split the challenger was judged on; None where
    there is no champion.

    >>> from pathlib import Path
    >>> engine = Engine(Path("model.onnx"), 1e-4, onnx_score=0.5, torch_score=0.5)
    >>> judge(Gain(0.1, 0.05, 0.9, (), ()), engine, Gates()).accepted
    True
    >>> judge(Gain(0.1, -0.02, 0.9, (), ()), engine, Gates()).reasons[0]
    'refused: gain over the default: lower bound at 90% > 0 must hold, but got +0.1000 with lower bound -0.0200'
    """
    checks = [*_gain(gain, gates), *_export(engine, gates), *_champion(engine, champion_score)]
    checks.sort(key=lambda check: check[0])
    reasons = tuple(f"{'passed' if passed else 'refused'}: {law}" for passed, law in checks)
    return Promotion(accepted=all(passed for passed, _ in checks), reasons=reasons, notes=engine.notes)


def judge_first(gain: Gain, engine: Engine, gates: Gates) -> Promotion:
    """Return the verdict on the default's own model, where no gain was shown and nothing serves yet.

    >>> from pathlib import Path
    >>> engine = Engine(Path("model.onnx"), 1e-4, onnx_score=0.5, torch_score=0.5)
    >>> judge_first(Gain(0.01, -0.02, 0.9, (), ()), engine, Gates()).accepted
    True
    """
    checks = sorted(_export(engine, gates), key=lambda check: check[0])
    told = f"no significant gain over the default: {gain.difference:+.4f} with lower bound {gain.low:+.4f}"
    reasons = [f"{'passed' if passed else 'refused'}: {law}" for passed, law in checks]
    why = f"passed: {told}, so the default's own model is the first champion"
    return Promotion(all(passed for passed, _ in checks), (*reasons, why), engine.notes)


def convincing(gain: Gain, gates: Gates) -> bool:
    """Tell whether the gain over the default is sure enough.

    >>> convincing(Gain(0.1, 0.05, 0.9, (), ()), Gates(min_gain=0.02))
    True
    """
    return gain.low > gates.min_gain


def _gain(gain: Gain, gates: Gates) -> Iterator[tuple[bool, str]]:
    passed = convincing(gain, gates)
    verb = "holds with" if passed else "must hold, but got"
    yield (
        passed,
        f"gain over the default: lower bound at {gain.confidence:.0%} > {gates.min_gain:g} {verb} "
        f"{gain.difference:+.4f} with lower bound {gain.low:+.4f}",
    )


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


def _champion(engine: Engine, champion_score: float | None) -> Iterator[tuple[bool, str]]:
    if champion_score is not None:
        passed = engine.onnx_score > champion_score
        verb = "holds with" if passed else "must hold, but got"
        yield passed, f"challenger > champion {verb} {engine.onnx_score:.4f} against {champion_score:.4f}"
