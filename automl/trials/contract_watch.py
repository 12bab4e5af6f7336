"""Contract that ends a search: whether a trial trained to the last epoch holds it on val, by its exact bounds."""

import logging
from collections.abc import Mapping
from typing import Final

from automl.hpo import statistics
from automl.hpo.asha import Decision
from automl.study import Answer, Contract, EndReason, Trial

LOG: Final = logging.getLogger(__name__)

TAGS: Final = ("val/missed", "val/defects", "val/overkilled", "val/fine")


class ContractWatch:
    """The first trial that holds the contract of a study; none where the contract does not end the search."""

    def __init__(self, agreed: Contract | None) -> None:
        """Start without a trial."""
        self._agreed = agreed if agreed and agreed.stop else None
        self._held = ""

    def ended(self, trial: Trial) -> None:
        """Record how a trial ended; log it if it is the first that holds the contract."""
        final = trial.ending.final if trial.ending else None
        if self._agreed is None or self._held or final is None or trial.changed:
            return
        if text := held(final.metrics, self._agreed):
            self._held = f"the contract holds on val with trial {trial.number}: {text}"
            LOG.info(f"search ends: {self._held}")

    def closing(self, spent: str) -> Decision | None:
        """Return the decision that ends every trial: a budget is `spent`, or the contract holds; None before."""
        if spent:
            return Decision(Answer.STOP, spent, EndReason.BUDGET)
        return Decision(Answer.STOP, self._held, EndReason.CONTRACT) if self._held else None


def held(metrics: Mapping[str, float], agreed: Contract) -> str:
    """Return the rates of a validation with their upper bounds as text; empty if one exceeds its limit.

    >>> held(dict(zip(TAGS, (0, 100, 1, 200), strict=True)), Contract(0.05, 0.05))
    'missed 0 of 100, at most 2.95%; over-killed 1 of 200, at most 2.35% (95% confidence)'
    >>> held(dict(zip(TAGS, (0, 50, 1, 200), strict=True)), Contract(0.05, 0.05))
    ''
    """
    if any(tag not in metrics for tag in TAGS):
        return ""
    missed, defects, killed, fine = (round(metrics[tag]) for tag in TAGS)
    miss = statistics.upper_bound(missed, defects, confidence=agreed.confidence)
    kill = statistics.upper_bound(killed, fine, confidence=agreed.confidence)
    if miss > agreed.max_miss_rate or kill > agreed.max_overkill_rate:
        return ""
    return (
        f"missed {missed} of {defects}, at most {miss:.2%}; over-killed {killed} of {fine}, at most {kill:.2%} "
        f"({agreed.confidence:.0%} confidence)"
    )
