"""Real trainings: the same search by this program and by Ultralytics' own `YOLO.tune(use_ray=True)`, called stock.

On real photographs, on the CPU, with pretrained weights (`--weights`) or a small model from scratch: same space,
epochs, cores and CPU-seconds. What is asked: how much did stock compute to get where it ended, against what ours
computed to get there. The side `yolo_train` is one training with Ultralytics' defaults, for the scores on test. Run it
with `python benchmarks/real_trainings.py --data FOLDER`, the folder that holds `bolts/data.yaml` and `bccd/data.yaml`;
the same call again does what is missing.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, only its own folder is on the path

from benchmarks.real_comparison import AXES, compared, final, spent_by
from benchmarks.real_sides import (
    MODEL,
    OURS,
    SIDES,
    STOCK,
    TRAIN,
    TRAIN_FINE_TUNED,
    BenchmarkError,
    Order,
    Point,
    judge,
    pretrained,
    search,
)

DATASETS: Final[dict[str, dict[str, Any]]] = {
    "bolts": {"imgsz": 160, "batch": 4},
    "bccd": {"imgsz": 160, "batch": 8},
}
VARIABLE: Final = "AUTOML_BENCHMARK_DATASETS"
FULL: Final = {"seeds": 3, "cpu_minutes": 8.0}
QUICK: Final = {"seeds": 1, "cpu_minutes": 3.0}
STOPPED: Final = 130
USER_ERROR: Final = 2


def orders(args: argparse.Namespace, out: Path) -> Iterator[Order]:
    """Yield all searches in their order: seeds outermost, and the side that goes first changes with the seed."""
    model = str(args.weights.absolute() if args.weights else MODEL)
    sized = {"imgsz": args.imgsz} if args.imgsz else {}
    shared = dict(TRAIN_FINE_TUNED if pretrained(model) else TRAIN)
    for seed in range(args.seeds):
        for dataset in args.datasets:
            turn = seed % len(args.sides)
            for side in [*args.sides[turn:], *args.sides[:turn]]:
                folder = out / f"{dataset}-{seed}-{side}"
                yield Order(
                    side=side, dataset=dataset, seed=seed, folder=str(folder),
                    data=str(out / "data" / f"{folder.name}" / "data.yaml"),
                    train={**shared, **DATASETS[dataset], **sized},
                    epochs=args.epochs, min_epochs=args.min_epochs, trials=args.trials, concurrent=args.concurrent,
                    cpu_seconds=60 * args.cpu_minutes, settings=tuple(args.set),
                    model=model,
                )  # fmt: skip


def run(order: Order, source: Path, *, stopped: Path) -> dict[str, Any]:
    """Search on a copy of the data, and return all that is kept of it.

    What a search that is interrupted had measured goes to the file `stopped`, without a score on test; the same call
    starts that search again.
    """
    for left in (Path(order.folder), Path(order.data).parent):
        shutil.rmtree(left, ignore_errors=True)  # of a run that was interrupted
    shutil.copytree(source, Path(order.data).parent, copy_function=shutil.copyfile)
    began = datetime.now(UTC)
    points: list[Point] = []
    try:
        with closing(search(order)) as found:
            for point in found:
                points.append(point)
                if sys.stderr.isatty():
                    print(f"\r{order.folder}: {point.cpu:.0f} CPU-s, {len(points)} epochs ", end="", file=sys.stderr)
    except KeyboardInterrupt:
        _append(stopped, _record(order, began, points))
        raise
    searched = datetime.now(UTC)
    winner = max(points, key=lambda point: point.value or 0.0)
    test = judge(order, winner.trial)
    shutil.rmtree(Path(order.data).parent)
    seconds = {
        "to_first_epoch": points[0].wall,
        "searching": points[-1].wall,
        "stopping": (searched - began).total_seconds() - points[-1].wall,
        "judging": (datetime.now(UTC) - searched).total_seconds(),
    }
    return _record(order, began, points) | {
        "winner": winner.trial,
        "test": test,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
    }


def _record(order: Order, began: datetime, points: Sequence[Point]) -> dict[str, Any]:
    return {
        "dataset": order.dataset, "seed": order.seed, "side": order.side, "began": began.isoformat(timespec="seconds"),
        "commit": commit(), "trials": len({point.trial for point in points}),
        "points": [[round(point.cpu, 2), round(point.wall, 2), *astuple(point)[2:]] for point in points],
    }  # fmt: skip


def _append(path: Path, record: Mapping[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def told(record: Mapping[str, Any]) -> str:
    """Return a run as a line for people."""
    spent = {axis: spent_by(record, axis) for axis in AXES}
    return (
        f"{record['dataset']} seed {record['seed']} {record['side']}: "
        f"val {final(record):.4f}, test {record['test']:.4f}, {record['trials']} trials, "
        f"{spent['epochs']:.0f} epochs, {spent['cpu']:.0f} CPU-s, {spent['wall']:.0f} s"
    )


def commit() -> str:
    """Return the commit of this tree, with a plus if it was changed since."""
    words = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def sources(args: argparse.Namespace) -> dict[str, Path]:
    """Return the folder of each data set.

    Raises:
        BenchmarkError: one is missing.
    """
    given = args.data or os.environ.get(VARIABLE)
    if not given:
        raise BenchmarkError(
            f"--data or {VARIABLE}: must name the folder of the data sets {args.datasets}, but is missing"
        )
    found = {name: Path(given).expanduser() / name for name in args.datasets}
    if missing := [str(path / "data.yaml") for path in found.values() if not (path / "data.yaml").is_file()]:
        raise BenchmarkError(f"--data {given}: must hold {', '.join(missing)}, but does not")
    return found


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return what all runs of one table have in common."""
    names = ("cpu_minutes", "trials", "epochs", "min_epochs", "concurrent", "set")
    given = {"imgsz": args.imgsz, "weights": args.weights and args.weights.name}
    return {name: getattr(args, name) for name in names} | {name: one for name, one in given.items() if one}


def kept(out: Path, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the runs that an earlier call left in a folder, and see that they were made with the same settings.

    Raises:
        BenchmarkError: the folder belongs to other settings.
    """
    out.mkdir(parents=True, exist_ok=True)
    path, results = out / "settings.json", out / "results.jsonl"
    if path.exists() and (before := json.loads(path.read_text())) != settings:
        differ = {name: (before.get(name), settings[name]) for name in settings if before.get(name) != settings[name]}
        raise BenchmarkError(
            f"{path}: must be the settings of this call, but (then, now) differ: {differ}; choose --out"
        )
    path.write_text(json.dumps(settings))
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", help=f"the folder of the data sets; ${VARIABLE}")
    add("--out", type=Path, default=Path("runs/real_trainings"), help="results; the same call again goes on there")
    add("--results", type=Path, help="folder of settings.json and results.jsonl, which are kept; as --out")
    add("--weights", type=Path, help="pretrained weights; else a micro model from scratch")
    add("--imgsz", type=int, help="image size; that of the data set's settings, 160")
    add("--datasets", nargs="+", choices=list(DATASETS), default=list(DATASETS))
    add("--sides", nargs="+", choices=SIDES, default=[STOCK, OURS])
    add("--seeds", type=int, help=f"repetitions; {FULL['seeds']}")
    add("--cpu-minutes", type=float, help=f"CPU-minutes of each search; {FULL['cpu_minutes']:g}")
    add("--trials", type=int, default=200, help="a search ends there too; meant not to bind")
    add("--epochs", type=int, default=12)
    add("--min-epochs", type=int, default=4, help="the first rung of all sides (stock's grace_period)")
    add("--concurrent", type=int, default=2, help="trials at a time, one core each")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="a key of our spec, such as scheduler=…")
    add("--quick", action="store_true", help=f"what is not given is small: {QUICK}")
    args = parser.parse_args(words)
    for name, value in (QUICK if args.quick else FULL).items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    if args.seeds < 1 or args.cpu_minutes <= 0 or not 1 <= args.min_epochs <= args.epochs:
        parser.error("seeds >= 1, cpu-minutes > 0 and 1 <= min-epochs <= epochs must hold")
    return args


def main() -> int:
    """Run what is not yet run, and print the comparison; the last line is JSON."""
    args = parsed()
    out = args.out.absolute()
    results = (args.results or args.out).absolute()
    try:
        places = sources(args)
        records = kept(results, settings_of(args))
        done = {(record["dataset"], record["seed"], record["side"]) for record in records}
        for order in orders(args, out):
            if (order.dataset, order.seed, order.side) not in done:
                record = run(order, places[order.dataset], stopped=results / "stopped.jsonl")
                records.append(record)
                _append(results / "results.jsonl", record)
                print(told(record), flush=True)
        report(args, records)
    except BenchmarkError as error:
        print(f"{Path(__file__).name}: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print(f"{Path(__file__).name}: stopped; the same call goes on", file=sys.stderr)
        return STOPPED
    return 0


def report(args: argparse.Namespace, records: Sequence[Mapping[str, Any]]) -> None:
    """Print every run, where they were made, and the comparison."""
    chosen = [record for record in records if record["dataset"] in args.datasets and record["seed"] < args.seeds]
    commits, began = sorted({record["commit"] for record in chosen}), min(record["began"] for record in chosen)
    machine = platform.processor() or platform.machine()
    print(f"\n{machine}, {os.cpu_count()} cores, {platform.system()}; commits {commits}, {began} on")
    for record in chosen:
        print(told(record))
    found = {name: compared([record for record in chosen if record["dataset"] == name]) for name in args.datasets}
    print(json.dumps({**found, "seeds": args.seeds}))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that a search is stopped with its benchmark
    sys.exit(main())
