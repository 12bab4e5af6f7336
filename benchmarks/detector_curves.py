"""Learning curves of real detector trainings: the same configurations on several data sets, kept as a table.

    python benchmarks/detector_curves.py --data FOLDER/bolts FOLDER/bccd --weights yolo11n.pt [--hours 2]
    python benchmarks/detector_curves.py --summary

Each training goes through the program's own worker and adds one JSON line to `detector-curves/<task>.jsonl`: machine,
commit, versions, params, seed, the curves of all metrics and losses, seconds, and the score on test. Killed at any
moment and called again, it trains what is missing; several processes share the work. A data set given by its path is
a task, whatever it holds. With `--device cuda` 320 px and 30 epochs in place of 128 px and 12. The last line of
`--summary` is one JSON object.
"""

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("YOLO_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from automl.data.record import DataSet
from automl.data.summary import summarise
from automl.storage import scratch
from automl.storage.files import sha256
from automl.study import Job, Measurement
from automl.study.errors import AutomlError
from automl.trainers import yolo
from automl.trials import worker
from benchmarks.detector_plan import (
    CONFIGURATIONS,
    MICRO,
    VARIANTS,
    Task,
    Training,
    params_of,
    prepared,
    tasks_of,
    trainings,
)
from benchmarks.detector_rows import METRIC, Row, add_row, claimed, conflict, done, path_of, read_rows, summary
from benchmarks.real_sides import BenchmarkError
from benchmarks.real_trainings import commit

OUT: Final = Path(__file__).resolve().with_name("detector-curves")
DIGITS: Final = 5
KEPT: Final = ("val/map50", "val/map50_95", "_loss")
"""How the names of the metrics end of which curves are kept."""
STOPPED: Final = 130
USER_ERROR: Final = 2


class Collector:
    """Trains what is missing of a table, task after task within each configuration, until the time is over."""

    def __init__(self, args: argparse.Namespace, place: Path) -> None:
        self._out: Path = args.out
        self._gpu = args.device == "cuda"
        self._ends = time.monotonic() + 3600 * args.hours
        self._place = place
        self._data: dict[str, DataSet] = {}
        self._longest: dict[str, float] = {}
        self.crashed = 0
        code()

    def run(self, tasks: Sequence[Task], count: int) -> None:
        """Train, and print a line a training."""
        for task in tasks:
            rows = read_rows(path_of(self._out, task.name))
            self._longest[task.name] = max((sum(row["seconds"]) for row in rows), default=0.0)
        for training in trainings(count):
            for task in tasks:
                if training in done(self._out, task.name):
                    continue
                if time.monotonic() + (self._longest[task.name] or max(self._longest.values())) > self._ends:
                    print("the time is over; the same command continues", flush=True)
                    return
                with claimed(self._out, task.name, training) as mine:
                    if mine:
                        self._train(task, training)

    def _train(self, task: Task, training: Training) -> None:
        data = self._data_of(task)
        wanted = described(task, training, data)
        see_same(path_of(self._out, task.name), wanted)
        folder = self._place / f"{task.name}-{training.configuration}-{training.seed}"
        job = Job(
            folder=folder, number=training.configuration, params=wanted["params"], seed=training.seed,
            epochs=task.epochs, model=str(task.model), data=str(data.source), metric=METRIC,
            settings={"imgsz": task.imgsz, "batch": task.batch, "cache": "ram"},
            split="test" if "test" in data.images else "val", gpus=float(self._gpu), threads=1,
        )  # fmt: skip
        row = trained(job, wanted)
        if row is None:
            self.crashed += 1
            return
        add_row(self._out, row)
        self._longest[task.name] = max(self._longest[task.name], sum(row["seconds"]))
        print(told(row), flush=True)

    def _data_of(self, task: Task) -> DataSet:
        if task.data not in self._data:
            self._data[task.data] = prepared(task, self._place / f"data-{task.data}")
        return self._data[task.data]


def see_same(path: Path, wanted: Row) -> None:
    """Refuse to add to a table that was made in another way.

    Raises:
        BenchmarkError: a row of the file has another model, size or data, or other params of this configuration.
    """
    for row in read_rows(path):
        free = {"seed", "configuration", "params" if row["configuration"] != wanted["configuration"] else "seed"}
        if differs := conflict(_comparable(row), {k: v for k, v in _comparable(wanted).items() if k not in free}):
            raise BenchmarkError(f"{path}: must hold trainings of one kind, but got {differs}; choose another --out")


def _comparable(row: Row) -> Row:
    """Return a row without the fingerprint of its data, whose format depends on the version; their statistics stay."""
    data = {name: value for name, value in (row.get("data") or {}).items() if name != "fingerprint"}
    return {**row, "data": data}


def described(task: Task, training: Training, data: DataSet) -> Row:
    """Return the part of a row that is known before the training."""
    looked = summarise(data.images["train"], classes=len(data.names), fingerprint=data.fingerprint)
    return {
        "task": task.name,
        "configuration": training.configuration,
        "seed": training.seed,
        "params": params_of(task, training.configuration, data),
        "model": f"{task.model.name} {digest(task.model)}",
        "imgsz": task.imgsz,
        "epochs": task.epochs,
        "batch": task.batch,
        "data": json.loads(json.dumps(looked.to_dict())) if looked else None,
    }


@cache
def digest(path: Path) -> str:
    """Return the first digits of a file's SHA-256."""
    return sha256(path)[:12]


def trained(job: Job, wanted: Row) -> Row | None:
    """Train, and return the row; None where the process failed and not the params: the training is to be repeated.

    Raises:
        BenchmarkError: not even the default can be trained, so what fails are not the params.
    """
    job.folder.mkdir(parents=True)
    began, measured = time.process_time(), list[Measurement]()
    ending = worker.run(job, measured.append)
    cpu = time.process_time() - began
    if ending.again:
        print(f"{job.folder.name}: crashed: {ending.cause}", file=sys.stderr, flush=True)
        return None
    if ending.cause and not wanted["configuration"]:
        raise BenchmarkError(f"{wanted['task']}: the default must be trainable, but {ending.cause}")
    names = sorted({name for one in measured for name in one.metrics if name.endswith(KEPT)})
    final = ending.final.metrics if ending.final else {}
    return wanted | {
        "curve": {name: [rounded(one.metrics.get(name)) for one in measured] for name in names},
        "seconds": [round(one.seconds, 2) for one in measured],
        "cpu": round(cpu, 1),
        "test": {name: rounded(value) for name, value in final.items() if name.startswith("test/")},
        "cause": ending.cause,
        "changed": measured[-1].changed if measured else "",
        **origin(gpu=job.gpus > 0),
    }


def rounded(value: float | None) -> float | None:
    """Return a number short enough for a small table."""
    return None if value is None else float(f"{value:.{DIGITS}g}")


def origin(*, gpu: bool) -> dict[str, Any]:
    """Return where, when and by what a row was made."""
    return {
        "machine": machine(gpu=gpu),
        "commit": code(),
        "versions": {name: version(name) for name in ("ultralytics", "torch")},
        "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M}",
    }


@cache
def code() -> str:
    """Return the commit that this process runs: asked once, since the tree may change meanwhile."""
    return commit()


@cache
def machine(*, gpu: bool) -> str:
    """Return the processor that trains."""
    if gpu:
        import torch

        return str(torch.cuda.get_device_name(0))
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, one thread"


def told(row: Row) -> str:
    """Return a training in one line for people."""
    best, test = max(row["curve"].get(METRIC, []), default=None), row["test"].get("test/map50_95")
    return (
        f"{row['task']} configuration {row['configuration']} seed {row['seed']}: val {best}, test {test}, "
        f"{row['cpu']:.0f} CPU-s, {sum(row['seconds']):.0f} s {row['cause']}"
    )


def wanted_tasks(args: argparse.Namespace) -> list[Task]:
    """Return the tasks of a command line.

    Raises:
        BenchmarkError: a file is missing, or there is no task of such a name.
    """
    sources = [path / "data.yaml" if path.is_dir() else path for path in args.data]
    needed = [*sources, *([args.weights] if args.weights else [])]
    if missing := [str(path) for path in needed if not path.is_file()]:
        raise BenchmarkError(f"--data, --weights: must be files, but there is no {', '.join(missing)}")
    named = [path.absolute().parent.name for path in sources]
    if len({*named, *VARIANTS}) < len(named) + len(VARIANTS):
        raise BenchmarkError(f"--data: folders must have different names, none of {[*VARIANTS]}, but got {named}")
    tasks = tasks_of(
        [path.absolute() for path in sources], (args.weights or MICRO).absolute(), gpu=args.device == "cuda"
    )
    known = [task.name for task in tasks]
    if unknown := [name for name in args.tasks or [] if name not in known]:
        raise BenchmarkError(f"--tasks: must be among {known}, but got {unknown}")
    chosen = [task for task in tasks if not args.tasks or task.name in args.tasks]
    if not args.weights and any(not task.name.startswith("micro-") for task in chosen):
        raise BenchmarkError("--weights: must name the weights that are fine-tuned, such as yolo11n.pt, but is missing")
    return chosen


def tables(out: Path) -> Iterator[tuple[str, list[Row]]]:
    """Yield the tasks of a folder and their rows."""
    for path in sorted(out.glob("*.jsonl")):
        yield path.stem, read_rows(path)


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", nargs="+", type=Path, default=[], help="data.yaml files or folders that hold one; each is a task")
    add("--weights", type=Path, help="the pretrained weights that are fine-tuned")
    add("--out", type=Path, default=OUT, help="one file a task; the same command again continues there")
    add("--tasks", nargs="+", help="only these; without it the data sets, five drawn ones and two from scratch")
    add("--configurations", type=int, default=CONFIGURATIONS, help="the default included")
    add("--hours", type=float, default=float("inf"), help="no training is started that would end later")
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--summary", action="store_true", help="train nothing; say what the files hold")
    args = parser.parse_args(words)
    if not 1 <= args.configurations <= CONFIGURATIONS or args.hours <= 0:
        parser.error(f"1 <= configurations <= {CONFIGURATIONS} and hours > 0 must hold")
    return args


def main() -> int:
    """Collect, or print the summary."""
    args = parsed()
    args.out = args.out.absolute()
    try:
        if args.summary:
            found = dict(tables(args.out))
            for name, rows in found.items():
                print(f"{name}: {len(rows)} rows, {summary({name: rows})}")
            print(json.dumps(summary(found)))
            return 0
        with scratch.folder() as place:
            yolo.set_threads(1)
            collector = Collector(args, place)
            collector.run(wanted_tasks(args), args.configurations)
    except (BenchmarkError, AutomlError) as error:
        print(f"{Path(__file__).name}: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print(f"{Path(__file__).name}: stopped; the same command continues", file=sys.stderr)
        return STOPPED
    if collector.crashed:
        print(f"{Path(__file__).name}: {collector.crashed} crashed; the same command repeats them", file=sys.stderr)
    return int(collector.crashed > 0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
