"""Seconds until TensorBoard's HParams table stands for a study of 1,000 trials, in headless Chromium.

    python benchmarks/hparams_scale.py [--runs 1000] [--epochs 50] [--folder FOLDER] [--screenshot FILE]

Writes the event files of synthetic trials with the program's own writer, starts `automl tensorboard` on them, waits
until it has read all runs, and then loads the page. With `--plain` a bare `tensorboard --logdir` in its place. The
last line is one JSON object.
"""

import argparse
import json
import math
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from automl.storage import epoch_details
from automl.study import Ending, Measurement, Trial
from automl.study.space import Choice, Real, SearchSpace
from automl.tracking.tensorboard_writer import Board, BoardSettings

METRIC: Final = "val/map50_95"
SPACE: Final = SearchSpace({
    "optimizer": Choice(("SGD", "AdamW"), "SGD"),
    **{f"setting{number}": Real(0.001, 0.1, 0.01, log=True) for number in range(7)},
})  # fmt: skip
CLASSES: Final = 3
FLAGS: Final = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
MOST_SECONDS: Final = 1800


def main() -> None:
    """Write, serve, load, and print what it took."""
    given = _arguments()
    folder = given.folder or Path(mkdtemp(prefix="hparams-"))
    if not any(folder.glob("trials/*")):
        write(folder, runs=given.runs, epochs=given.epochs)
    size = sum(path.stat().st_size for path in folder.rglob("events.*"))
    port = free_port()
    command = (
        [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", str(port)]
        if given.plain
        else [str(Path(sys.executable).with_name("automl")), "tensorboard", str(folder), "--port", str(port)]
    )
    started = time.monotonic()
    server = subprocess.Popen(command)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for_runs(address, given.runs + 1)
        loaded = time.monotonic() - started
        first = seconds_to_table(address, given.runs, given.screenshot)
        again = seconds_to_table(address, given.runs, None)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
        if given.folder is None:
            shutil.rmtree(folder)
    print(
        json.dumps(
            {
                "runs": given.runs,
                "epochs": given.epochs,
                "plain": given.plain,
                "seconds_to_read": round(loaded, 1),
                "seconds_to_table": round(first, 2),
                "seconds_to_table_again": round(again, 2),
                "bytes_per_run": round(size / given.runs),
            }
        )
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--folder", type=Path, help="kept, and used again if it has trials")
    parser.add_argument("--screenshot", type=Path)
    parser.add_argument("--plain", action="store_true", help="a bare TensorBoard")
    return parser.parse_args()


def write(folder: Path, *, runs: int, epochs: int) -> None:
    """Write the event files of so many trials."""
    draw = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    board = Board(folder, SPACE, BoardSettings(metric=METRIC))
    for number in range(runs):
        params = {"optimizer": draw.choice(["SGD", "AdamW"])} | {
            name: 10 ** draw.uniform(-3, -1) for name in SPACE.parameters if name != "optimizer"
        }
        place, best = folder / "trials" / f"{number:04d}_synthetic", draw.uniform(0.2, 0.8)
        place.mkdir(parents=True)
        trial = Trial(number, params, seed=number)
        board.on_start(trial, place)
        measured = tuple(_measurement(epoch, best, draw) for epoch in range(1, epochs + 1))
        details = {m.epoch: {f"class_ap50/{kind}": best for kind in range(CLASSES)} for m in measured}
        epoch_details.write_details(place, details)
        for epoch in range(1, epochs + 1):
            board.on_measurement(Trial(number, params, seed=number, measurements=measured[:epoch]))
        board.on_end(Trial(number, params, seed=number, measurements=measured), Ending(final=measured[-1]))


def _measurement(epoch: int, best: float, draw: random.Random) -> Measurement:
    value = best * (1 - math.exp(-epoch / 10)) + draw.gauss(0, 0.01)
    losses = {f"{split}/{part}_loss": 2 - value for split in ("train", "val") for part in ("box", "cls", "dfl")}
    metrics = {METRIC: value, "val/map50": value, "val/precision": value, "val/recall": value, "val/loss": 2 - value}
    return Measurement(epoch, {**metrics, **losses, "lr/weights": 0.01, "lr/bias": 0.01}, seconds=2.0)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for_runs(address: str, count: int) -> None:
    """Wait until TensorBoard lists so many runs and its HParams plugin has a session for each."""
    deadline = time.monotonic() + MOST_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/data/runs", timeout=60) as answer:
                if len(json.load(answer)) >= count:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.5)
    raise SystemExit(f"hparams_scale.py: {address} did not list {count} runs in {MOST_SECONDS} s")


def seconds_to_table(address: str, runs: int, screenshot: Path | None) -> float:
    """Return the seconds from the request of the page to the first row of its table."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser: Any = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        started = time.monotonic()
        page.goto(f"{address}/#hparams")
        page.get_by_text(f"{runs - 1:04d}_synthetic").or_(page.get_by_text("0000_synthetic")).first.wait_for(
            timeout=600_000
        )
        taken = time.monotonic() - started
        if screenshot:
            page.wait_for_timeout(3000)
            page.screenshot(path=str(screenshot))
        browser.close()
    return taken


if __name__ == "__main__":
    main()
