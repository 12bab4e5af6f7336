"""Measures what a suggestion of each rival costs: `python -m benchmarks.rivals [--seconds 60] [NAME...]`.

Eight parameters, curves of 50 epochs, four trials at a time; CPU milliseconds of `next`, the mean of the 20 calls up to
the 50th, 200th and 600th trial. What a rival did not reach in its seconds is null. The last line is JSON.
"""

import argparse
import json
import math
import time
from itertools import count
from typing import Final

from automl.study import Answer, Params
from automl.study.space import Choice, Real, SearchSpace
from benchmarks.rivals import PLAIN, make, why_not
from benchmarks.rivals.protocol import Strategy

SPACE: Final = SearchSpace(
    {f"x{number}": Real(1e-4, 1.0, default=0.01, log=True) for number in range(7)} | {"kind": Choice(("a", "b"), "a")}
)
EPOCHS: Final = 50
MARKS: Final = (50, 200, 600)
CALLS: Final = 20
WORKERS: Final = 4


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="the CPU seconds that each rival may take")
    parser.add_argument("names", nargs="*", default=list(PLAIN))
    given = parser.parse_args()
    figures: dict[str, dict[str, float | None] | str] = {}
    for name in given.names:
        figures[name] = why_not(name) or milliseconds(name, limit=given.seconds)
        print(name, figures[name], flush=True)
    print(json.dumps({"milliseconds": figures}))


def milliseconds(name: str, *, limit: float) -> dict[str, float | None]:
    """Return the cost of a suggestion by number of trials."""
    strategy = make(name, SPACE, max_epochs=EPOCHS, seed=0, workers=WORKERS)
    spent: list[float] = []
    found: dict[str, float | None] = {str(mark): None for mark in MARKS}
    at: dict[int, int] = {}
    running: dict[int, Params] = {}
    end = time.process_time() + limit
    for turn in count():
        if len(running) < WORKERS:
            began = time.process_time()
            work = strategy.next()
            spent.append(time.process_time() - began)
            if work is None or time.process_time() > end:
                return found
            running[work[0]] = work[1]
            at.setdefault(work[0], 0)
            if len(at) in MARKS and found[str(len(at))] is None:
                found[str(len(at))] = round(1000 * sum(spent[-CALLS:]) / CALLS, 1)
            if len(at) >= MARKS[-1]:
                return found
        else:
            number = list(running)[turn % WORKERS]
            at[number] += 1
            if not _goes_on(strategy, number, at[number], running[number]):
                del running[number]
    return found


def _goes_on(strategy: Strategy, number: int, epoch: int, params: Params) -> bool:
    apart = sum(abs(math.log10(float(params[f"x{axis}"])) + 2.5) for axis in range(7)) / 14
    value = max(0.0, 0.9 - apart - 0.1 * (params["kind"] == "b")) * (1 - math.exp(-0.1 * epoch))
    answer = strategy.measured(number, epoch=epoch, value=value, seconds=1.0)
    if answer is Answer.CONTINUE and epoch == EPOCHS:
        strategy.ended(number)
    return answer is Answer.CONTINUE and epoch < EPOCHS


if __name__ == "__main__":
    main()
