"""Slots of a real Ray on this machine, with a trainer that sleeps: how much of their time a study has in use.

    python benchmarks/scale.py --ray 64            # 64 trials at a time, each an actor of Ray and a training process

The study is a whole one (`automl search`), with the tiny trainer of the tests: an epoch sleeps and costs next to no CPU
time, so that what is measured is what Ray, the driver and the start of trainings cost. A slot counts from the first
start of a trial to the end of the last job that it got; in use are the seconds of epochs, as trainings measure them.
What a slot waits for, a start of its training, an answer at a rung or the next job, is not in use.
"""

import heapq
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psutil
import yaml

from automl.storage.journal import Journal
from automl.storage.layout import JOURNAL
from automl.study import Trial
from automl.trainers import registration

ROOT: Final = Path(__file__).resolve().parents[1]
EPOCHS: Final = (6, 18)
"""First rung and last epoch."""
LINE: Final = re.compile(
    r"^(\S+Z) trial (\d+) (starts|resumes|advances|pauses|completed|pruned|failed|lost)(?:[^:\n]*? epoch (\d+))?",
    re.MULTILINE,
)
BEGINS: Final = frozenset({"starts", "resumes", "advances"})
POLL_SECONDS: Final = 2.0
METRIC: Final = "val/map50_95"
CORES: Final = 1.0
"""CPU cores that Ray gives to all trials together: it has as many as the machine, however many slots are wanted."""


@dataclass(frozen=True, slots=True)
class Work:
    """One stay of a trial on a slot."""

    number: int
    began: float
    ended: float
    event: str = ""
    """How it ended: `pauses`, `completed` and so on."""
    epoch: int = 0
    """After which epoch it ended."""


def measured(slots: int, *, trials: int, epoch_seconds: float, folder: Path | None = None) -> dict[str, Any]:
    """Run the search of a study on a Ray of its own, and return how its slots were used."""
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        place = folder or Path(name)
        place.mkdir(parents=True, exist_ok=True)
        spec = place / "described.yaml"
        spec.write_text(yaml.safe_dump(_described(slots, trials, epoch_seconds)), encoding="utf-8")
        environment = _environment()
        environment.pop("RAY_ADDRESS", None)
        line = [
            sys.executable,
            "-c",
            "from automl.apps.cli import app; app()",
            "search",
            str(spec),
            "--storage",
            str(place),
        ]
        with (place / "driver.log").open("wb") as log:
            process = subprocess.Popen(line, env=environment, stdout=log, stderr=log, start_new_session=True)
        study = place / "runs" / "slots"
        try:
            load = _watched(process, study)
        finally:
            _end(process)
        if not (study / JOURNAL).exists() or not works_of((study / "study.log").read_text(encoding="utf-8")):
            raise SystemExit((place / "driver.log").read_text(errors="replace")[-2000:])
        return {"slots": slots} | figures(study, slots, metric=METRIC) | load


def _described(slots: int, trials: int, epoch_seconds: float) -> dict[str, Any]:
    from tests import tiny_trainer

    return {
        "name": "slots", "data": "sample", "model": tiny_trainer.MODEL,
        "ladder": {"min_epochs": EPOCHS[0], "max_epochs": EPOCHS[1]},
        "space": {"lr0": {"low": 0.001, "high": 0.1, "default": 0.01, "log": True}},
        "train": {"optimizer": "SGD", "imgsz": 32, "batch": 8, "epoch_seconds": epoch_seconds},
        "budget": {"trials": trials}, "confirm": {"seeds": 0}, "export": {"engine": "none"},
        "resources": {"gpus": 0, "cpus": round(CORES / slots, 4), "concurrent": slots},
    }  # fmt: skip


def _environment() -> dict[str, str]:
    from tests import tiny_trainer

    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    chosen = {registration.CHOSEN: tiny_trainer.registered()}  # which also registers it in this process's environment
    return {**os.environ, **chosen, "PYTHONPATH": path}


def _watched(process: subprocess.Popen[bytes], study: Path) -> dict[str, Any]:
    """Wait until the search is over; return the CPU seconds and the memory of the driver and of all its processes."""
    root, used, most = psutil.Process(process.pid), dict[int, float](), 0.0
    driver = 0.0
    while process.poll() is None and not _over(study):
        total = 0.0
        for one in _family(root):
            try:
                times = one.cpu_times()
                used[one.pid] = times.user + times.system
                total += one.memory_info().rss - one.memory_info().shared
            except psutil.Error:
                continue
        driver, most = used.get(process.pid, driver), max(most, total)
        time.sleep(POLL_SECONDS)
    return {
        "driver_cpu_s": round(driver, 1),
        "cpu_s": round(sum(used.values()), 1),
        "unshared_gb": round(most / 1e9, 2),
        "load": round(os.getloadavg()[1], 1),
    }


def _family(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _over(study: Path) -> bool:
    """Return True once the search is over."""
    log = study / "study.log"
    return log.exists() and " best trial is " in log.read_text(encoding="utf-8", errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a driver, which still exports and publishes."""
    try:
        process.wait(timeout=300)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def figures(study: Path, slots: int, *, metric: str) -> dict[str, Any]:
    """Return how the slots of a study's search were used."""
    trials = Journal.read(study, metric=metric).trials()
    works = works_of((study / "study.log").read_text(encoding="utf-8"))
    trained = sum(trial.seconds for trial in trials)
    return {
        "trials": len(trials),
        "lost": sum(trial.retries for trial in trials) + sum(_failed(trial) for trial in trials),
        "jobs": len(works),
        "search_s": round(max(work.ended for work in works) - min(work.began for work in works), 1),
        "in_use": round(trained / slot_seconds(works, slots), 4),
    }


def _failed(trial: Trial) -> bool:
    return trial.ending is None or bool(trial.ending.cause)


def works_of(log: str) -> list[Work]:
    """Return the stays of trials on slots, by the log of a study."""
    open_since: dict[int, float] = {}
    found = []
    for moment, number, event, epoch in LINE.findall(log):
        at, trial = datetime.fromisoformat(moment).timestamp(), int(number)
        if event in BEGINS:
            open_since.setdefault(trial, at)
        elif trial in open_since:
            found.append(Work(trial, open_since.pop(trial), at, event, int(epoch or 0)))
    return found


def slot_seconds(works: list[Work], slots: int) -> float:
    """Return the seconds of all slots, each from the first start of all to the end of its last job.

    A job runs on the slot that became free first.
    """
    if not works:
        return 0.0
    begin = min(work.began for work in works)
    free = [begin] * min(slots, len(works))
    for work in sorted(works, key=lambda one: one.began):
        heapq.heapreplace(free, work.ended)
    return sum(end - begin for end in free)
