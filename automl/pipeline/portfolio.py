"""The portfolio of a study: params that were good elsewhere, tried right after the default.

They are the best params of the storage's finished studies (`past_studies`), then those that are shipped (`portfolio`),
and are recorded in the journal before the first trial: a resumed study tries the same, whatever ended meanwhile.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.data.summary import Summary
from automl.hpo import portfolio
from automl.hpo.warm_start import winners
from automl.hpo.warm_start.winners import Found
from automl.storage.journal import Journal
from automl.study import Params
from automl.study.baseline import Baseline
from automl.study.spec import StudySpec
from automl.trainers import trainer_of

LOG: Final = logging.getLogger(__name__)
PORTFOLIO: Final = "portfolio"
"""Journal key of the params."""
PAST: Final = "past_studies"
"""Journal key of those of past studies, with the study of each."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a study tries after the default."""

    past: Found
    shipped: tuple[Params, ...] = ()
    shipped_text: str = ""
    """For `check` and the log; empty where none is asked for."""

    @property
    def params(self) -> tuple[Params, ...]:
        """Return all params in their order."""
        return (*(winner.params for winner in self.past.winners), *self.shipped)

    def past_lines(self) -> Iterator[str]:
        """Yield the lines of `automl check` and of the log on past studies."""
        yield from self.past.unreadable
        for winner in self.past.winners:
            yield f"after the default: best params of {winner.summary()} (past_studies: 0 tries none)"


def recorded(
    journal: Journal, spec: StudySpec, baseline: Baseline | None, *, storage: Path, data: Summary | None
) -> tuple[Params, ...]:
    """Return the params from the journal; they are chosen and recorded before the first trial."""
    if plain := journal.notes().get(PORTFOLIO):
        with journal.interpreted():
            return tuple(dict(params) for params in plain)
    if journal.trials():
        return ()
    found = chosen(spec, baseline, storage=storage, data=data)
    for line in filter(None, (*found.past_lines(), found.shipped_text)):
        LOG.info(line)
    if found.past.winners:
        journal.note(PAST, [winner.to_dict() for winner in found.past.winners])
    if found.params or spec.portfolio:
        journal.note(PORTFOLIO, [dict(params) for params in found.params])
    return found.params


def chosen(spec: StudySpec, baseline: Baseline | None, *, storage: Path, data: Summary | None) -> Chosen:
    """Return the best params of past studies, then the first `spec.portfolio` shipped members that the space allows."""
    space = spec.search_space
    known = [space.defaults(), *([baseline.params] if baseline else [])]
    settings = trainer_of().settings() if winners.most(spec) else {}
    past = winners.find(spec, storage, data=data, settings=settings, known=known)
    if not spec.portfolio:
        return Chosen(past)
    shipped = portfolio.shipped()
    known += [winner.params for winner in past.winners]
    found = portfolio.fitted(shipped.members, space, epochs=spec.ladder.max_epochs, known=known)
    found = found[: min(spec.portfolio, max(spec.budget.trials - len(known), 0))]
    return Chosen(past, found, portfolio.summary(found, shipped.origin))
