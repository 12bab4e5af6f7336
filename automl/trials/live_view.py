"""Table of the trials of a running study; the parameters shown are chosen again when a trial has paused or ended."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from automl.study import State, Trial
from automl.study.spec import StudySpec
from automl.study.text import View
from automl.trials.job_clock import Elapsed
from automl.trials.listener import StatusTable


@dataclass(slots=True)
class LiveView:
    """Builds the table, and keeps the choice of parameters."""

    overview: StatusTable
    _seen: int = -1
    _params: list[str] = field(default_factory=list)

    def of(self, spec: StudySpec, trials: Sequence[Trial], *, elapsed: Elapsed, still: Mapping[int, State]) -> View:
        """Return the table; `still` maps the trials that wait or pause to their state."""
        paused = sum(state is State.PAUSED for state in still.values())
        seen = paused + sum(trial.ending is not None for trial in trials)
        if abs(seen - self._seen) > self._seen // 20:  # in a large study ranking takes long
            space, epoch = spec.search_space, spec.ladder.first_rung
            self._seen = seen
            self._params = self.overview.important_params(space, trials, metric=spec.metric, epoch=epoch)
        return self.overview.of_trials(spec, trials, elapsed=elapsed, idle=still, params=self._params)


def still(waiting: Collection[int], paused: Collection[int]) -> dict[int, State]:
    """Return the state of each trial that does not run.

    >>> still([3], [1])
    {3: <State.WAITING: 'WAITING'>, 1: <State.PAUSED: 'PAUSED'>}
    """
    return {**dict.fromkeys(waiting, State.WAITING), **dict.fromkeys(paused, State.PAUSED)}
