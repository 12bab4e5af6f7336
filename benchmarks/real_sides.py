"""The sides of `real_trainings.py`: how a search is started, watched while it runs, and stopped.

What runs inside the child process of a stock search is in `real_stock.py`.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any, Final

import psutil
import yaml

ROOT: Final = Path(__file__).resolve().parents[1]
MODEL: Final = ROOT / "search_spaces" / "models" / "micro.yaml"
OURS: Final = "ours"
STOCK: Final = "stock"
STOCK_DEFAULTS: Final = "stock-defaults"
PLAIN: Final = "yolo_train"
"""No search: one training with Ultralytics' own defaults."""
SIDES: Final = (STOCK, OURS, STOCK_DEFAULTS, PLAIN)
METRIC: Final = "metrics/mAP50-95(B)"
TEST: Final = "test"
CURVES: Final = {
    OURS: ("runs/search/trials/*/curves.csv", "val/map50_95"),
    PLAIN: (f"{PLAIN}/results.csv", METRIC),
}
OTHER_CURVES: Final = (f"{STOCK}_*/results.csv", METRIC)
"""Where the trials of a side write their curves, and the column of the mAP."""
CHILD: Final = Path(__file__).resolve().with_name("real_stock.py")
SPACE: Final[dict[str, dict[str, Any]]] = {
    "optimizer": {"choices": ["AdamW", "SGD", "MuSGD"], "default": "AdamW"},
    "lr0": {"low": 1e-4, "high": 0.1, "log": True, "default": 0.001},
    "momentum": {"low": 0.7, "high": 0.98, "default": 0.937},
    "mosaic": {"low": 0.0, "high": 1.0, "default": 1.0},
    "scale": {"low": 0.0, "high": 0.9, "default": 0.5},
}
TRAIN: Final = {"nbs": 8, "warmup_epochs": 0.5, "close_mosaic": 3, "cache": "ram"}
"""Settings of every training from scratch; image size and batch depend on the data set."""
FINE_TUNED: Final[dict[str, dict[str, Any]]] = {
    "optimizer": {"choices": ["AdamW", "SGD", "MuSGD"], "default": "AdamW"},
    "lr0": {"low": 1e-4, "high": 0.05, "log": True, "default": 0.001429},
    "momentum": {"low": 0.8, "high": 0.98, "default": 0.9},
    "warmup_epochs": {"low": 0.0, "high": 3.0, "default": 3.0},
    "freeze": {"choices": [0, 4], "default": 0},
    "close_mosaic": {"choices": [10, 2], "default": 10},
    "scale": {"low": 0.0, "high": 0.9, "default": 0.5},
}
"""The space of pretrained weights: defaults are those of `optimizer=auto` of Ultralytics 8.4.190 (3 classes)."""
TRAIN_FINE_TUNED: Final = {"warmup_bias_lr": 0.0, "cache": "ram"}
"""Settings of every training of pretrained weights in a search: with `auto`, too, a bias starts at this rate."""
KEPT_PLAIN: Final = ("imgsz", "batch", "cache")
"""Settings that a plain training shares with a search."""
ENVIRONMENT: Final = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
}
"""The same for all sides: one thread a trial, no network. Ours sets the rest by itself."""
MARK: Final = "AUTOML_BENCHMARK_SEARCH"
"""Variable of all processes of a search, which names its folder."""
POLL_SECONDS: Final = 0.5
PATIENCE_SECONDS: Final = 60

Values = Mapping[str, Mapping[int, float | None]]
"""The validation mAP by trial and epoch; None where an epoch was not validated."""


class BenchmarkError(Exception):
    """A condition that whoever runs the benchmark can mend."""


@dataclass(frozen=True, slots=True)
class Order:
    """One search by one side."""

    side: str
    dataset: str
    seed: int
    folder: str
    data: str
    train: dict[str, Any]
    epochs: int
    min_epochs: int
    trials: int
    concurrent: int
    cpu_seconds: float
    settings: tuple[str, ...] = ()
    """KEY=VALUE for our spec, beyond what both sides share."""
    model: str = str(MODEL)
    """What is trained: pretrained weights, or a description that starts from scratch."""

    @property
    def space(self) -> dict[str, dict[str, Any]]:
        """Return the space that both sides search."""
        return FINE_TUNED if pretrained(self.model) else SPACE


@dataclass(frozen=True, slots=True)
class Point:
    """One epoch of some trial, and what the whole side had spent when it was seen."""

    cpu: float
    wall: float
    trial: str
    epoch: int
    value: float | None


def pretrained(model: str) -> bool:
    """Return True if a model brings trained weights.

    >>> pretrained("yolo11n.pt"), pretrained("micro.yaml")
    (True, False)
    """
    return Path(model).suffix == ".pt"


class Meter:
    """CPU-seconds of a process, all its descendants and all that bear its mark, those that have ended included.

    The processes that train our trials are no descendants: the warm process that they are forked from outlives the one
    that started it. They inherit the environment, so `mark` finds them: the value of MARK there. A process that lives
    for less than the time between two readings is missed, and the last moments of each other one.
    """

    def __init__(self, pid: int, *, mark: str = "") -> None:
        self._root = psutil.Process(pid)
        self._spent: dict[psutil.Process, float] = {self._root: 0.0}
        self._mark = mark
        self._others: set[psutil.Process] = set()

    def read(self) -> float:
        """Return the CPU-seconds so far, user and system."""
        with suppress(psutil.NoSuchProcess):
            for child in self._root.children(recursive=True):
                self._spent.setdefault(child, 0.0)
        for marked in self._marked():
            self._spent.setdefault(marked, 0.0)
        for process in self._spent:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                self._spent[process] = times.user + times.system
        return sum(self._spent.values())

    def end(self) -> None:
        """Kill what is left of these processes."""
        self.read()
        for process in self._spent:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _marked(self) -> Iterator[psutil.Process]:
        """Yield the processes with the mark that are not known yet; each other one is looked at once."""
        for process in psutil.process_iter() if self._mark else ():
            if process not in self._spent and process not in self._others:
                found = {}
                with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    found = process.environ()
                if found.get(MARK) == self._mark:
                    yield process
                else:
                    self._others.add(process)


def environment_of(folder: Path) -> dict[str, str]:
    """Return the environment of a search, which starts a Ray of its own."""
    found = {**os.environ, **ENVIRONMENT, "YOLO_CONFIG_DIR": str(folder), "PYTHONPATH": _path(), MARK: str(folder)}
    found.pop("RAY_ADDRESS", None)
    return found


def command(order: Order) -> list[str]:
    """Write what the side needs into its folder and return the command that searches."""
    folder = Path(order.folder)
    if order.side == OURS:
        (folder / "spec.yaml").write_text(yaml.safe_dump(described(order), sort_keys=False))
        changes = [word for pair in order.settings for word in ("--set", pair)]
        program = str(ROOT / "automl" / "search.py")
        return [sys.executable, program, str(folder / "spec.yaml"), "--storage", str(folder), *changes]
    (folder / "order.json").write_text(json.dumps(asdict(order)))
    return [sys.executable, str(CHILD), order.side, str(folder / "order.json")]


def described(order: Order) -> dict[str, Any]:
    """Return the order as a spec of ours."""
    return {
        "name": "search",
        "model": order.model,
        "data": order.data,
        "objective": "map50_95",
        "budget": {"trials": order.trials},
        "ladder": {"min_epochs": order.min_epochs, "max_epochs": order.epochs, "reduction_factor": 3},
        "space": order.space,
        "train": order.train,
        "resources": {"gpus": 0, "cpus": 1, "concurrent": order.concurrent},
        "seed": order.seed,
    }


def read(order: Order) -> Values:
    """Return what the trials of a side measured so far, by the file that each writes at the end of an epoch.

    Ray Tune's own `result.json` would not do: it reaches the storage up to ten seconds late.
    """
    pattern, column = CURVES.get(order.side, OTHER_CURVES)
    found = {}
    for path in sorted(Path(order.folder).glob(pattern)):
        with path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if None not in row.values()]  # none half written
        found[path.parent.name] = {int(row["epoch"]): _number(row.get(column)) for row in rows}
    return found


def weights_of(order: Order, trial: str) -> Path:
    """Return the best weights of a trial."""
    folder = Path(order.folder)
    if order.side == OURS:
        return folder / "runs" / "search" / "trials" / trial / "best.pt"
    return folder / trial / "weights" / "best.pt"


def search(order: Order) -> Generator[Point, None, None]:
    """Run one search until it has spent its CPU-seconds or its trials, and yield its epochs as they come.

    Raises:
        BenchmarkError: the side ended without a measurement, or with an error.
    """
    folder = Path(order.folder)
    folder.mkdir(parents=True)
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command(order), env=environment_of(folder), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    meter = Meter(process.pid, mark=str(folder))
    try:
        yield from _watched(order, process, meter)
    finally:
        _stop(process, meter)


def judge(order: Order, trial: str) -> float:
    """Return the test mAP of a trial's best weights."""
    words = [sys.executable, str(CHILD), TEST, str(weights_of(order, trial)), json.dumps(asdict(order))]
    done = subprocess.run(
        words, env={**os.environ, **ENVIRONMENT, "PYTHONPATH": _path()}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"{weights_of(order, trial)}: must be judged on the test split, but {done.stderr[-800:]}")
    return float(done.stdout.split()[-1])


def _watched(order: Order, process: subprocess.Popen[bytes], meter: Meter) -> Generator[Point, None, None]:
    folder, began, known = Path(order.folder), time.monotonic(), set()
    running, cpu, limit = True, 0.0, inf if order.side == PLAIN else order.cpu_seconds
    while running and cpu < limit:
        time.sleep(POLL_SECONDS)
        confirming = (folder / "runs" / "search" / "confirm").exists()
        running = process.poll() is None and not confirming
        cpu, wall = meter.read(), time.monotonic() - began
        for trial, values in read(order).items():
            for epoch, value in values.items():
                if (trial, epoch) not in known and epoch <= order.epochs:
                    known.add((trial, epoch))
                    yield Point(cpu, wall, trial, epoch, value)
    if process.poll() or not known:
        said = (folder / "log.txt").read_text(errors="replace")[-2000:]
        raise BenchmarkError(f"{folder / 'log.txt'}: the search must measure something, but it ended with\n{said}")


def _stop(process: subprocess.Popen[bytes], meter: Meter) -> None:
    """Ask for an orderly end, and kill what is left after a while: Ray's own processes too."""
    try:
        if process.poll() is None:
            # Not SIGINT: what is started in the background of a script ignores it, and so would Ray's driver.
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_SECONDS)
    finally:
        meter.end()
        process.wait()


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def _path() -> str:
    return os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
