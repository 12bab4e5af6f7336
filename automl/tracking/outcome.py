"""What a verdict says, as lines of text: in the log at the end of a study, in `automl status`, in notifications."""

from statistics import mean

from automl.study.results import DEFAULT
from automl.study.verdict import Shipped, Verdict


def lines(verdict: Verdict, name: str) -> list[str]:
    """Return the verdict on a study, with what became of the champion of the model `name`."""
    if verdict.accepted:
        return [*found(verdict), f"champion {name}: version {verdict.version}"]
    return [*found(verdict), "nothing was promoted: the champion, if any, is unchanged"]


def found(verdict: Verdict) -> list[str]:
    """Return what ships, its gain over a plain training, and whether the params are better."""
    shipped = verdict.shipped
    return [_shipped(verdict, shipped), _against_baseline(verdict), *_params(verdict)] if shipped else []


def gates(verdict: Verdict) -> list[str]:
    """Return how many gates were passed, and each other reason."""
    passed = sum(gate.passed for gate in verdict.gates)
    count = [f"gates: {passed} of {len(verdict.gates)} passed"] if passed else []
    return [*count, *(f"gate {reason}" for reason in objections(verdict))]


def objections(verdict: Verdict) -> list[str]:
    """Return the reasons that are no passed gate: refused ones, and all of a verdict of an earlier version."""
    passed = {gate.reason for gate in verdict.gates if gate.passed}
    return [reason for reason in verdict.reasons if reason not in passed]


def _shipped(verdict: Verdict, shipped: Shipped) -> str:
    whose = ", trained with the baseline's params" if verdict.side == DEFAULT else ""
    return (
        f"what ships: {shipped.name}{whose}: {verdict.objective} {shipped.score.text()} on {shipped.images} images of "
        f"{verdict.split} (95% interval), chosen on val"
    )


def _against_baseline(verdict: Verdict) -> str:
    over = verdict.over_baseline
    if over is None:
        return "against a plain yolo train: not known, since no model of the baseline was trained to the end"
    seeds = "one model, so the spread over seeds is unknown" if over.models == 1 else f"{over.models} models"
    return f"against a plain yolo train: {over.difference.text(sign='+')} (95% interval), the mean of {seeds}"


def _params(verdict: Verdict) -> list[str]:
    claim = verdict.claim
    if not claim.known:
        return ["whether the params are better is not known: no model was retrained (confirm.seeds is 0)"]
    challenger, baseline = mean(claim.challenger), mean(claim.baseline)
    against = f"{verdict.objective} {challenger:.4f} against the baseline's {baseline:.4f} on {verdict.split}"
    end = f"; the confirmation {claim.end.text}" if claim.end else ""
    if claim.better:
        return [f"the params of trial {claim.trial} are better: {against}, with {claim.confidence:.0%} confidence{end}"]
    told = [f"no significant gain of the params over the baseline: {against}, which is a valid result{end}"]
    if claim.further:
        told.append(
            f"the result is close: {claim.further.seeds} more seeds of each will decide it if the difference persists; "
            f"run the command again with --set confirm.retrainings={claim.further.retrainings}"
        )
    return told
