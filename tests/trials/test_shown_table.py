"""The params of a running table are ranked again when enough trials were added."""

from collections.abc import Mapping, Sequence

from automl.study import Ending, State, Trial
from automl.study.space import SearchSpace
from automl.study.spec import StudySpec
from automl.study.text import View
from automl.trials.job_clock import Elapsed
from automl.trials.shown_table import RANKED_AGAIN, ShownTable
from tests.builders import spec_of, trial_of

ELAPSED = Elapsed.of_search(1.0, 1)


class Overview:
    """Counts how often params are ranked."""

    def __init__(self) -> None:
        self.ranked = 0

    def important_params(self, space: SearchSpace, trials: Sequence[Trial], *, metric: str, epoch: int) -> list[str]:
        del space, trials, metric, epoch
        self.ranked += 1
        return ["lr0"]

    def of_trials(
        self,
        spec: StudySpec,
        trials: Sequence[Trial],
        *,
        elapsed: Elapsed,
        standing: Mapping[int, str] | None = None,
        params: Sequence[str] | None = None,
    ) -> View:
        del spec, trials, elapsed, standing
        return View("", list(params or ()), [], optional=[], more=0, best=None)


def shown(table: ShownTable, *, ended: int, standing: State | None = None) -> View:
    trials = [trial_of(number, [0.1], ending=Ending(pruned="rung")) for number in range(ended)]
    return table.view(trials, elapsed=ELAPSED, standing={7: standing} if standing else {})


def test_params_are_ranked_again_when_one_trial_in_twenty_was_added() -> None:
    overview = Overview()
    table = ShownTable(overview, spec_of())
    assert shown(table, ended=2).columns == ["lr0"]
    shown(table, ended=2, standing=State.WAITING)
    assert overview.ranked == 1
    shown(table, ended=2, standing=State.PAUSED)
    assert overview.ranked == 2
    shown(table, ended=2 * RANKED_AGAIN)
    shown(table, ended=2 * RANKED_AGAIN + 2)
    assert overview.ranked == 3
    shown(table, ended=2 * RANKED_AGAIN + 3)
    assert overview.ranked == 4
