"""The stock side of `scale.py`: Ray's `OptunaSearch` and `ASHAScheduler`, as objects, without Tune's own loop."""

import heapq
import random
import time
from statistics import median
from typing import Any, Final

import optuna

from automl.study import Answer, Params
from benchmarks import scale_study
from benchmarks.rivals import tune
from benchmarks.rivals.course import Course

EARLY: Final = (20, 100)
LATE: Final = 40
"""Suggestions timed at the end. Those between are drawn at random, since thousands of TPE would take hours."""


def measured(trials: int, slots: int, *, epoch_seconds: float) -> dict[str, Any]:
    """Return the figures of a search with the sampler that Ultralytics' `run_ray_tune` makes."""
    space = scale_study.space_of()
    epochs = scale_study.LADDER["max_epochs"]
    rival = tune.make("stock", Course(space=space, max_epochs=epochs, seed=0))
    study = rival.searcher._ot_study  # type: ignore[attr-defined]
    smart, random_draw = study.sampler, optuna.samplers.RandomSampler(seed=0)
    clock, count, suggested, answers = 0.0, 0, [], []
    events: list[tuple[float, int, int, Params]] = []
    while True:
        while len(events) < slots and count < trials:
            late = count >= trials - LATE
            study.sampler = smart if count < EARLY[1] or late else random_draw
            began = time.process_time()
            number, params = rival.next() or (0, {})
            suggested.append(time.process_time() - began)
            clock += suggested[-1]
            count += 1
            heapq.heappush(events, (clock + _epoch(number, epoch_seconds), number, 1, params))
        if not events:
            break
        due, number, epoch, params = heapq.heappop(events)
        clock = max(clock, due)
        value = scale_study.value_of(params, number, epoch)
        began = time.process_time()
        answer = rival.measured(number, epoch=epoch, value=value, seconds=epoch_seconds)
        if epoch == epochs and answer is not Answer.STOP:
            rival.ended(number)
        answers.append(time.process_time() - began)
        clock += answers[-1]
        if answer is Answer.CONTINUE and epoch < epochs:
            heapq.heappush(events, (clock + _epoch(number, epoch_seconds), number, epoch + 1, params))
    return {
        "trials": count,
        "measurements": len(answers),
        "ms_per_measurement": round(1000 * sum(answers) / len(answers), 3),
        "ms_per_suggestion_early": round(1000 * median(suggested[slice(*EARLY)]), 2),
        "ms_per_suggestion_late": round(1000 * median(suggested[-LATE:]), 2),
        "rss_gb": scale_study.rss(),
    }


def _epoch(number: int, seconds: float) -> float:
    return seconds * (0.8 + 0.4 * random.Random(number).random())
