"""Latency of a model on this machine: the time of one image in the model itself."""

import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from automl.study import Latency

REPEATS: Final = 3
RUNS: Final = 100
FEWEST_RUNS: Final = 20
MOST_SECONDS: Final = 10.0
"""Of a repeat: a slow model runs less often, at least `FEWEST_RUNS` times."""
WARM_UP: Final = 10
CPU_INFO: Final = Path("/proc/cpuinfo")


def measured(run: Callable[[], object], device: str) -> Latency:
    """Return the latency of `run`, a call with one image, after a warm-up."""
    first = min(_times(run, WARM_UP))
    runs = int(min(max(1000 * MOST_SECONDS / max(first, 1e-6), FEWEST_RUNS), RUNS))
    repeats = [_times(run, runs) for _ in range(REPEATS)]
    medians = np.median(repeats, axis=1)
    p50, p95, p99 = (float(value) for value in np.percentile(repeats, [50, 95, 99]))
    spread = float((medians.max() - medians.min()) / np.median(medians))
    return Latency(p50, p95, p99, spread, device)


def _times(run: Callable[[], object], count: int) -> list[float]:
    found = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        found.append(1000 * (time.perf_counter() - start))
    return found


def processor() -> str:
    """Return the name of this machine's processor."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
