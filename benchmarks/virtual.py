"""Runs a search in virtual time: workers train rows of a table, the strategy decides."""

import heapq
from dataclasses import dataclass

import numpy as np

from automl.records import Answer
from benchmarks.tables import Task


@dataclass(frozen=True, slots=True)
class Trace:
    times: np.ndarray
    best: np.ndarray
    trials: int
    epochs: int


def run(strategy, task: Task, *, workers: int, budget: float, startup: float) -> Trace:
    """Run until `budget` seconds on the clock; each start of a training costs `startup` seconds."""
    now, seq, best = 0.0, 0, -np.inf
    times, bests = [], []
    rows, at = {}, {}
    heap: list = []
    idle = workers
    epochs = 0
    while True:
        while idle:
            work = strategy.next()
            if work is None:
                break
            number, params = work
            if number not in rows and len(rows) == len(task.values):
                idle = 0  # the table is used up
                break
            if number not in rows:
                rows[number], at[number] = task.row(params, taken=set(rows.values())), 0
                strategy.told(number, task.params[rows[number]])
            first = task.seconds[rows[number]][at[number]]
            seq += 1
            heapq.heappush(heap, (now + startup + first, seq, number))
            idle -= 1
        if not heap:
            break
        now, _, number = heapq.heappop(heap)
        if now > budget:
            break
        row = rows[number]
        at[number] += 1
        epochs += 1
        e = at[number]
        v = float(task.values[row][e - 1])
        if v > best:
            best = v
            times.append(now)
            bests.append(v)
        answer = strategy.measured(number, epoch=e, value=v, seconds=float(task.seconds[row][e - 1]))
        if e == len(task.values[row]) and answer is not Answer.STOP:
            strategy.ended(number)
        elif answer is Answer.GO_ON:
            seq += 1
            heapq.heappush(heap, (now + task.seconds[row][e], seq, number))
            continue
        idle += 1
    return Trace(np.array(times), np.array(bests), len(rows), epochs)


def regret(trace: Trace, task: Task, times: np.ndarray) -> np.ndarray:
    """Normalised regret at times: 0 = best of the table, 1 = its median row (also before the first epoch)."""
    f = task.finals
    top, med = f.max(), np.median(f)
    idx = np.searchsorted(trace.times, times, side="right") - 1
    vals = np.where(idx >= 0, trace.best[np.maximum(idx, 0)], -np.inf)
    return np.clip((top - vals) / (top - med), 0, 1)
