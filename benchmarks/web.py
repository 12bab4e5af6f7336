"""The page of one study under load: many trials that report several times a second, watched by many browsers.

A real `automl web` serves a study of 200 trials. Its journal is written as a driver writes it, some measurements a
second. Twenty sessions of headless Chromium have the study open, each with its own connection; each notes the clock
when a row of the table changes. The latency of an update is the time from before the journal is written to the changed
row in a browser, with all browsers counted. A browser has failed if it missed an update, shows another
value than the journal at the end, or loaded the page again because its connection was lost.

    python benchmarks/web.py                            # 200 trials, 5 updates a second for 20 s, 20 browsers
    python benchmarks/web.py --browsers 1 --light 20    # one browser beside 20 watchers in one light process

Browsers on the server's own machine are themselves the load; `--light` measures the server apart from them
(`web_watchers.py`).

Prints figures of the server, then one JSON object on the last line; exit code 1 if a browser failed.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import psutil
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from automl.storage import scratch
from automl.storage.journal import Journal
from automl.storage.layout import SPEC
from automl.study import Measurement
from automl.study.load import dump
from benchmarks.scale_study import spec_of
from benchmarks.validation import machine
from benchmarks.web_watchers import watchers

SERVE: Final = "from automl.apps.cli import app; app(prog_name='automl')"
EPOCHS: Final = 5
"""Epochs of each trial before the load."""
START_SECONDS: Final = 300.0
SETTLE_SECONDS: Final = 5.0
"""After the last update, in which it must be shown."""
FLAGS: Final = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync",
    "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
]  # fmt: skip
CHROMIUM: Final = ("/usr/bin/chromium", "/usr/bin/google-chrome")
NOTE_CHANGES: Final = """() => {
  window.seen = {}; window.gap = 0;
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    window.gap = Math.max(window.gap, now - last - 50);
    last = now;
  }, 50);
  new MutationObserver((changes) => {
    const now = Date.now();
    for (const change of changes) {
      const row = (change.target.closest ? change.target : change.target.parentElement)?.closest("tr[data-key]");
      if (row) { const key = row.dataset.key + ":" + parseInt(row.cells[2].textContent); window.seen[key] ??= now; }
    }
  }).observe(document.getElementById("trials"), {subtree: true, childList: true, characterData: true});
}"""
"""Notes in a browser when a row of a trial first shows an epoch, and the longest delay of a timer of 50 ms."""
LAST_EPOCHS: Final = """() => Object.fromEntries([...document.querySelectorAll("#trials tr")].map(
  (row) => [row.dataset.key, parseInt(row.cells[2].textContent)]))"""


@dataclass
class Load:
    """Updates that were written, and what the browsers showed of them."""

    journal: Journal
    trials: int
    sent: dict[tuple[int, int], float] = field(default_factory=dict)
    """Trial and epoch to the time before the journal was written, in milliseconds since 1970."""

    def write(self, *, rate: float, seconds: float) -> float:
        """Append measurements for a time, and return how many a second were written."""
        begin, count = time.perf_counter(), 0
        while (due := count / rate) < seconds:
            time.sleep(max(0.0, begin + due - time.perf_counter()))
            number, epoch = (count * 37) % self.trials, EPOCHS + 1 + count // self.trials
            self.sent[number, epoch] = 1000 * time.time()
            self.journal.measured(number, measured(number, epoch), node="node")
            count += 1
        return count / (time.perf_counter() - begin)

    def latencies(self, seen: dict[str, float]) -> list[float | None]:
        """Return the milliseconds until a browser showed each update, None for one that it missed."""
        return [
            at - since if (at := seen.get(f"{number}:{epoch}")) else None
            for (number, epoch), since in self.sent.items()
        ]

    def last(self) -> dict[str, int]:
        """Return the last epoch of each trial."""
        last = {str(number): EPOCHS for number in range(self.trials)}
        for number, epoch in self.sent:
            last[str(number)] = max(last[str(number)], epoch)
        return last


def measured(number: int, epoch: int) -> Measurement:
    """Return a measurement of a saturating curve."""
    value = (0.3 + 0.4 * ((number * 7919) % 100) / 100) * (1 - 0.8**epoch)
    return Measurement(epoch, {"val/map50_95": value, "train/box_loss": 2.0 / epoch}, 60.0)


def study(storage: Path, trials: int) -> Journal:
    """Return the journal of a new study, all of whose trials run."""
    spec = spec_of(trials)
    folder = storage / "runs" / spec.name
    folder.mkdir(parents=True)
    (folder / SPEC).write_text(dump(spec), encoding="utf-8")
    journal = Journal.create(folder, name=spec.name, metric=spec.metric)
    space = spec.search_space
    for number in range(trials):
        journal.suggested(space.defaults(), space, seed=number, origin="model")
        for epoch in range(1, EPOCHS + 1):
            journal.measured(number, measured(number, epoch), node="node")
    return journal


@contextmanager
def server(storage: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Yield the link of a page on a storage, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVE, "web", "--storage", str(storage), "--port", str(port), "--language", "en"]
    log = storage / "web.log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (link := [line[5:] for line in log.read_text().splitlines() if line.startswith("open ")]):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the page did not start: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield link[0], psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def opened(browser: Browser, link: str, *, count: int, rows: int) -> tuple[list[Page], list[float], str]:
    """Return pages of so many sessions on the study, the milliseconds until each showed all rows, and their cookies."""
    base = link.split("/?", maxsplit=1)[0]
    first = browser.new_context()
    page = first.new_page()
    page.goto(link)
    page.wait_for_selector("main")
    state = first.storage_state()
    page.close()
    cookie = "; ".join(f"{one['name']}={one['value']}" for one in state.get("cookies", ()))
    pages: list[Page] = []
    seconds: list[float] = []
    for _ in range(count):
        page = browser.new_context(storage_state=state, viewport={"width": 1280, "height": 800}).new_page()
        page.on("console", _console)
        begin = time.perf_counter()
        page.goto(f"{base}/studies/scale", timeout=60_000)
        page.wait_for_selector(f"#trials tr:nth-child({rows})", timeout=60_000)
        seconds.append(1000 * (time.perf_counter() - begin))
        page.evaluate(NOTE_CHANGES)
        pages.append(page)
        told(f"browser {len(pages)} shows the study after {seconds[-1]:.0f} ms")
    return pages, seconds, cookie


def _console(message: ConsoleMessage) -> None:
    if "reloading" in message.text:
        told(f"a browser: {message.text}")


def run(arguments: argparse.Namespace, executable: str) -> dict[str, Any]:
    """Return the figures of one run."""
    with scratch.folder() as storage:
        journal = study(storage, arguments.trials)
        told("the study is written")
        with server(storage) as (link, process), sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=executable, args=FLAGS)
            pages, opening, cookie = opened(browser, link, count=arguments.browsers, rows=arguments.trials)
            with watchers(link, cookie, arguments.light) as light:
                told(f"{arguments.rate:g} updates a second for {arguments.seconds:g} s")
                load = Load(journal, arguments.trials)
                before, begin = sum(process.cpu_times()[:2]), time.perf_counter()
                rate = load.write(rate=arguments.rate, seconds=arguments.seconds)
                busy = (sum(process.cpu_times()[:2]) - before) / (time.perf_counter() - begin)
                time.sleep(SETTLE_SECONDS)
            found = [shown(page, load) for page in pages]
            gap = max((page.evaluate("window.gap ?? 0") for page in pages), default=0)
            browser.close()
    times = ordered(found)
    return {
        "machine": machine(), "load_average": round(os.getloadavg()[0], 1), "opening_ms_median": round(median(opening)),
        "opening_ms_most": round(max(opening)), "p50_ms": quantile(times, 0.5), "most_ms": round(max(times, default=0)),
        "missed": sum(latencies.count(None) for latencies, _ in found), "longest_browser_delay_ms": round(gap),
        "server_cores": round(busy, 2), **(of_light(light, load) if light else {}),
        "result": {
            "trials": arguments.trials, "updates_per_s": round(rate, 2), "p95_ms": quantile(times, 0.95),
            "browsers": arguments.browsers, "failed": sum(not fine for _, fine in found),
        },
    }  # fmt: skip


def of_light(light: list[dict[str, Any]], load: Load) -> dict[str, Any]:
    """Return the figures of the light watchers."""
    found = [(load.latencies(one["seen"]), one["last"] == load.last()) for one in light]
    times, updates = ordered(found), len(light) * len(load.sent)
    return {
        "light": len(light), "light_p50_ms": quantile(times, 0.5), "light_p95_ms": quantile(times, 0.95),
        "light_most_ms": round(max(times, default=0)),
        "light_failed": sum(not same or None in latencies for latencies, same in found),
        "light_lost_connections": sum(one["lost"] for one in light),
        "bytes_an_update": round(sum(one["live_bytes"] for one in light) / updates),
        "answers_an_update": round(sum(one["live_messages"] for one in light) / updates, 2),
    }  # fmt: skip


def ordered(found: Sequence[tuple[list[float | None], bool]]) -> list[float]:
    """Return the latencies of all watchers in order, those of missed updates left out."""
    return sorted(one for latencies, _ in found for one in latencies if one is not None)


def shown(page: Page, load: Load) -> tuple[list[float | None], bool]:
    """Return the latencies in a browser, and whether it showed all updates and shows the journal's last epochs."""
    latencies = load.latencies(page.evaluate("window.seen ?? {}"))
    return latencies, page.evaluate(LAST_EPOCHS) == load.last() and None not in latencies


def told(text: str) -> None:
    """Print progress, apart from the figures."""
    print(text, file=sys.stderr, flush=True)


def quantile(ordered: Sequence[float], share: float) -> int:
    """Return a quantile of ordered values, rounded.

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5)
    3
    """
    return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)]) if ordered else 0


def main() -> int:
    """Run the benchmark, and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--rate", type=float, default=5.0, help="updates a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--browsers", type=int, default=20)
    parser.add_argument("--light", type=int, default=0, help="watchers in one light process beside the browsers")
    arguments = parser.parse_args()
    executable = next((path for path in CHROMIUM if Path(path).is_file()), None)
    if executable is None:
        raise SystemExit(f"a browser must be installed, but there is none of {', '.join(CHROMIUM)}")
    figures = run(arguments, executable)
    result = figures.pop("result")
    print(json.dumps(figures))
    print(json.dumps(result))
    return 1 if result["failed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
