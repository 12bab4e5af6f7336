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
from benchmarks.rivals.search_settings import SearchSettings

EARLY: Final = (20, 100)
LATE: Final = 40
"""Suggestions timed at the end. Those between are drawn at random, since thousands of TPE would take hours."""


def measured(trials: int, slots: int, *, epoch_seconds: float) -> dict[str, Any]:
    """Return the figures of a search with the sampler that Ultralytics' `run_ray_tune` makes."""
    epochs = scale_study.LADDER["max_epochs"]
    rival = tune.make("stock", SearchSettings(scale_study.space_of(), epochs, seed=0, workers=slots))
    suggested, answers = _run(rival, trials, slots, epoch_seconds)
    return {
        "trials": trials,
        "measurements": len(answers),
        "ms_per_measurement": round(1000 * sum(answers) / len(answers), 3),
        "ms_per_suggestion_early": round(1000 * median(suggested[slice(*EARLY)]), 2),
        "ms_per_suggestion_late": round(1000 * median(suggested[-LATE:]), 2),
        "rss_gb": scale_study.rss(),
    }


def _run(rival: Any, trials: int, slots: int, epoch_seconds: float) -> tuple[list[float], list[float]]:  # noqa: ANN401
    """Return the CPU seconds of each suggestion and of each answer."""
    study, epochs = rival.searcher._ot_study, scale_study.LADDER["max_epochs"]
    smart, random_draw = study.sampler, optuna.samplers.RandomSampler(seed=0)
    suggested: list[float] = []
    answers: list[float] = []
    events: list[tuple[float, int, int, Params]] = []
    now = 0.0
    while True:
        while len(events) < slots and len(suggested) < trials:
            study.sampler = random_draw if EARLY[1] <= len(suggested) < trials - LATE else smart
            began = time.process_time()
            number, params = rival.next() or (0, {})
            suggested.append(time.process_time() - began)
            heapq.heappush(events, (now + _epoch(number, epoch_seconds), number, 1, params))
        if not events:
            return suggested, answers
        now, number, epoch, params = heapq.heappop(events)
        value = scale_study.value_of(params, number, epoch)
        began = time.process_time()
        goes_on = rival.measured(number, epoch=epoch, value=value, seconds=epoch_seconds) is Answer.CONTINUE
        if goes_on and epoch == epochs:
            rival.ended(number)
        answers.append(time.process_time() - began)
        if goes_on and epoch < epochs:
            heapq.heappush(events, (now + _epoch(number, epoch_seconds), number, epoch + 1, params))


def _epoch(number: int, seconds: float) -> float:
    return seconds * (0.8 + 0.4 * random.Random(number).random())
