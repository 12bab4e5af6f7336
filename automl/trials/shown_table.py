"""Table of a running search: which params it shows, ranked again as the study grows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from automl.study import State, Trial
from automl.study.spec import StudySpec
from automl.study.text import View
from automl.trials.job_clock import Elapsed
from automl.trials.listener import StatusTable

RANKED_AGAIN: Final = 20
"""The params to show are ranked again when one in so many trials was added: the time grows with their number."""


@dataclass(slots=True)
class ShownTable:
    """Builds the table of one search."""

    overview: StatusTable
    spec: StudySpec
    _ranked: int = -1
    """Trials that had ended or paused when the params were ranked."""
    _params: Sequence[str] = field(default_factory=list)

    def view(self, trials: Sequence[Trial], *, elapsed: Elapsed, standing: Mapping[int, State]) -> View:
        """Return the table; `standing` maps trials without a worker to WAITING or PAUSED."""
        spec = self.spec
        paused = sum(state is State.PAUSED for state in standing.values())
        seen = paused + sum(trial.ending is not None for trial in trials)
        if abs(seen - self._ranked) > self._ranked // RANKED_AGAIN:
            space, epoch = spec.search_space, spec.ladder.first_rung
            self._params = self.overview.important_params(space, trials, metric=spec.metric, epoch=epoch)
            self._ranked = seen
        return self.overview.of_trials(spec, trials, elapsed=elapsed, standing=standing, params=self._params)
