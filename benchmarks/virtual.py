"""Runs a search in virtual time: workers train rows of a table, the strategy decides."""

import heapq
from dataclasses import dataclass, field

import numpy as np

from automl.study import Answer
from benchmarks.rivals.protocol import Strategy
from benchmarks.tables import Task


@dataclass(frozen=True, slots=True)
class Trace:
    """What a search had found when."""

    times: np.ndarray
    """Seconds on the clock at which the best value rose."""
    best: np.ndarray
    """The best value of any epoch so far, at these times, without noise where the task knows it."""
    trials: int


@dataclass(slots=True)
class _Cluster:
    """Workers on one clock. A trial holds one of them from a start to a pause or its end."""

    strategy: Strategy
    task: Task
    workers: int
    startup: float
    now: float = 0.0
    rows: dict[int, int] = field(default_factory=dict)
    done: dict[int, int] = field(default_factory=dict)
    """Trial to the epochs behind it."""
    events: list[tuple[float, int, int]] = field(default_factory=list)
    starts: int = 0

    def fill(self) -> None:
        """Give each free worker something to do, as long as the strategy and the table have it."""
        while len(self.events) < self.workers and (work := self.strategy.next()):
            number, params = work
            if number not in self.rows:
                if not self.task.endless and len(self.rows) == len(self.task.values):
                    return
                self.rows[number] = self.task.row(params, taken=set(self.rows.values()))
                self.done[number] = 0
                self.strategy.told(number, self.task.params[self.rows[number]])
            self._train(number, self.startup)

    def step(self) -> tuple[float, float]:
        """Pass the next epoch to the strategy, and return its value, and the best so far of its row without noise."""
        self.now, _, number = heapq.heappop(self.events)
        values = self.task.values[self.rows[number]]
        seconds = float(self.task.seconds[self.rows[number]][self.done[number]])
        self.done[number] += 1
        epoch = self.done[number]
        value = float(values[epoch - 1])
        answer = self.strategy.measured(number, epoch=epoch, value=value, seconds=seconds)
        if epoch == len(values) and answer is not Answer.STOP:
            self.strategy.ended(number)
        elif answer is Answer.CONTINUE:
            self._train(number, 0.0)
        return value, float(self.task.truth(self.rows[number])[:epoch].max())

    def _train(self, number: int, before: float) -> None:
        """Train one more epoch; of those that end at the same time, the one that began first is heard first."""
        self.starts += 1
        seconds = float(self.task.seconds[self.rows[number]][self.done[number]])
        heapq.heappush(self.events, (self.now + before + seconds, self.starts, number))


def run(strategy: Strategy, task: Task, *, workers: int, budget: float, startup: float) -> Trace:
    """Run until `budget` seconds on the clock; each start of a training, after a pause too, costs `startup` seconds."""
    cluster = _Cluster(strategy, task, workers, startup)
    times: list[float] = []
    best: list[float] = []
    highest = -np.inf
    cluster.fill()
    while cluster.events and cluster.events[0][0] <= budget:
        value, truth = cluster.step()
        if value > highest:
            highest = value
            times.append(cluster.now)
            best.append(truth)
        cluster.fill()
    return Trace(np.array(times), np.array(best), len(cluster.rows))


def regret(trace: Trace, task: Task, times: np.ndarray) -> np.ndarray:
    """Return the regret at times: 0 for the best row of the table, 1 for its median row and before the first epoch."""
    top, median = task.finals.max(), np.median(task.finals)
    known = np.searchsorted(trace.times, times, side="right")
    found = np.concatenate([[median], trace.best])[known]
    return np.asarray(np.clip((top - found) / (top - median), 0, 1))


def least_regret(task: Task, times: np.ndarray, *, startup: float) -> np.ndarray:
    """Return the regret at times of a search that trained the right row from the first second on: none has less.

    With many workers and little time it is what bounds a search, for a training takes as long as it takes.
    """
    found = [np.ones(len(times))]
    for values, seconds in zip(task.values, task.seconds, strict=True):
        clock = startup + np.cumsum(seconds[: len(values)])
        found.append(regret(Trace(clock, np.maximum.accumulate(values), 1), task, times))
    return np.asarray(np.min(found, axis=0))
