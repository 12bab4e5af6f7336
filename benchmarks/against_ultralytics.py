"""Ours against `YOLO.tune(use_ray=True)`: how busy the cores are with training, and what else a search costs.

    python benchmarks/against_ultralytics.py [--quick] [--data FOLDER/data.yaml] [--trials 12] [--epochs 9]

The same data set, model, space, epochs and cores; stock first, then ours. Without `--data` it draws
the sample. Figures of a side: `trials_per_hour` (trials that ended or were paused or pruned by the scheduler, by the
wall-clock time from the start of the program to the last epoch), `slot_share` (seconds of all epochs, as each side
writes them, by slots and that time), `first_epoch_s` (from the start of the program to the end of the first epoch),
`epochs`, `bytes_read` (by all reading system calls of all its processes, of what files ever: those of a process that
ended within the last half second are missed), `driver_cpu_s` (of the process that was started), `cpu_s` (of all its
processes). The last line is one JSON object.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.real_sides import (
    CURVES,
    OTHER_CURVES,
    OURS,
    STOCK,
    TRAIN,
    BenchmarkError,
    Meter,
    Order,
    _stop,
    command,
    environment_of,
    read,
)

POLL_SECONDS: Final = 0.5
SAMPLE: Final = {"train": 48, "val": 24, "test": 12}
SECONDS: Final = {True: "seconds", False: "time"}
"""The column of ours with the seconds of an epoch; that of stock with the seconds since the training began."""


def main() -> None:
    """Run both sides and print their figures."""
    given = _arguments()
    with TemporaryDirectory(prefix="against-") as name:
        folder = Path(name)
        source = Path(given.data).parent if given.data else _drawn(folder / "drawn")
        found = {side: _run(_order(given, side, folder, source)) for side in (STOCK, OURS)}
    print(json.dumps({"ours": found[OURS], "stock": found[STOCK]}))


def _drawn(folder: Path) -> Path:
    from automl.data import sample

    return sample.draw(folder, splits=SAMPLE).parent


def _order(given: argparse.Namespace, side: str, folder: Path, source: Path) -> Order:
    """Return the order of a side, on a copy of the data: Ultralytics writes caches beside the labels."""
    data = folder / f"data-{side}"
    shutil.copytree(source, data, copy_function=shutil.copyfile)
    text = (data / "data.yaml").read_text(encoding="utf-8").replace(str(source.resolve()), str(data))
    (data / "data.yaml").write_text(text, encoding="utf-8")
    return Order(
        side=side, dataset="", seed=0, folder=str(folder / side), data=str(data / "data.yaml"),
        train={**TRAIN, "imgsz": given.imgsz, "batch": 8}, epochs=given.epochs, min_epochs=max(1, given.epochs // 9),
        trials=given.trials, concurrent=given.slots, cpu_seconds=float("inf"),
    )  # fmt: skip


def _run(order: Order) -> dict[str, float]:
    """Search to the end of the trials, without the confirmation, and return the figures."""
    folder = Path(order.folder)
    folder.mkdir()
    begun = time.monotonic()
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command(order), env=environment_of(folder), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    meter, counted = Meter(process.pid, mark=str(folder)), dict[psutil.Process, int]()
    figures, epochs, first, last = {"driver_cpu_s": 0.0}, 0, 0.0, 0.0
    try:
        while process.poll() is None and not (folder / "runs" / "search" / "confirm").exists():
            time.sleep(POLL_SECONDS)
            figures["cpu_s"] = meter.read()
            figures["driver_cpu_s"] = _driver(process, counted) or figures["driver_cpu_s"]
            if (now := sum(map(len, read(order).values()))) > epochs:
                epochs, last = now, time.monotonic() - begun
                first = first or last
    finally:
        _stop(process, meter)
    if not epochs:
        raise BenchmarkError((folder / "log.txt").read_text(errors="replace")[-2000:])
    figures |= {"trials_per_hour": len(read(order)) * 3600 / last, "first_epoch_s": first, "epochs": epochs}
    figures |= {"slot_share": _trained(order) / (order.concurrent * last), "bytes_read": sum(counted.values())}
    return {name: round(value, 3) for name, value in sorted(figures.items())}


def _driver(process: subprocess.Popen[bytes], counted: dict[psutil.Process, int]) -> float:
    """Return the CPU seconds of a process, 0 if it has ended; note what it and its descendants have read."""
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        for one in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                counted[one] = one.io_counters().read_chars
        times = root.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _trained(order: Order) -> float:
    """Return the seconds of all epochs."""
    ours, total = order.side == OURS, 0.0
    for path in Path(order.folder).glob(CURVES.get(order.side, OTHER_CURVES)[0]):
        with path.open(newline="") as file:
            rows = [float(row[SECONDS[ours]]) for row in csv.DictReader(file)]
        total += sum(rows) if ours else max(rows, default=0.0)
    return total


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="6 trials of at most 9 epochs at 96 pixels")
    parser.add_argument("--data", help="data.yaml; its folder is copied (default: the drawn sample)")
    parser.add_argument("--trials", type=int, default=12, help="trials of each side (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=9, help="epochs of a trial (default: %(default)s)")
    parser.add_argument("--imgsz", type=int, default=160, help="edge of the images (default: %(default)s)")
    parser.add_argument("--slots", type=int, default=2, help="trials at a time, a core each (default: %(default)s)")
    given = parser.parse_args()
    if given.quick:
        given.trials, given.epochs, given.imgsz = 6, 9, 96
    return given


if __name__ == "__main__":
    main()
