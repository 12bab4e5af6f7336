"""The portfolio of a study: params of other data sets that it tries, recorded in its journal before the first trial."""

import logging
from typing import Final

from automl.hpo import portfolio
from automl.storage.journal import Journal
from automl.study import Params
from automl.study.baseline import Baseline
from automl.study.spec import StudySpec

LOG: Final = logging.getLogger(__name__)
PORTFOLIO: Final = "portfolio"
"""Journal key of the params."""


def recorded(journal: Journal, spec: StudySpec, baseline: Baseline | None) -> tuple[Params, ...]:
    """Return the params from the journal; they are chosen and recorded before the first trial."""
    if plain := journal.notes().get(PORTFOLIO):
        with journal.interpreted():
            return tuple(dict(params) for params in plain)
    if journal.trials() or not spec.portfolio:
        return ()
    found, text = chosen(spec, baseline)
    LOG.info(text)
    journal.note(PORTFOLIO, [dict(params) for params in found])
    return found


def chosen(spec: StudySpec, baseline: Baseline | None) -> tuple[tuple[Params, ...], str]:
    """Return the first `spec.portfolio` members that the space allows, and the text for `check`; empty if off."""
    if not spec.portfolio:
        return (), ""
    shipped, space = portfolio.shipped(), spec.search_space
    known = [space.defaults(), *([baseline.params] if baseline else [])]
    found = portfolio.fitted(shipped.members, space, epochs=spec.ladder.max_epochs, known=known)
    found = found[: min(spec.portfolio, max(spec.budget.trials - len(known), 0))]
    return found, portfolio.summary(found, shipped.origin)
