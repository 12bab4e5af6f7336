"""Requests that `automl serve NAME@champion` loses while its champion changes: versions swapped under load.

Clients send images on connections that stay open, while the alias moves between two versions of the micro detector, and
in between to versions that must be refused: no model, outputs that are not finite, a byte flipped after the promotion.
A request has failed if it has no answer, a code other than 200, or boxes that are not exactly those of the version that
the answer names, in its body and its header.

    python benchmarks/serve_swap.py                     # 10,000 requests, 20 swaps, 6 refused moves

Prints one JSON object on the last line; exit code 1 if a request failed or a swap did not happen.
"""

import argparse
import http.client
import itertools
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
import onnx
import psutil
from onnx import numpy_helper

from automl.apps.serve.images import decode
from automl.apps.serve.thresholds import Thresholds
from automl.apps.serve.version import load
from automl.storage import scratch
from automl.storage.layout import ONNX
from automl.storage.registry import Registry
from benchmarks.serving import exported, pictures, server
from benchmarks.validation import machine

WANTED: Final = Thresholds(conf=0.0001, max_det=20)
"""An untrained detector is sure of nothing: with the usual threshold no answer would have boxes to compare."""
PATH: Final = f"/predict?conf={WANTED.conf}&max_det={WANTED.max_det}"
POLL_SECONDS: Final = 0.1
PATIENCE: Final = 60.0
GOOD: Final = (1, 2)
BROKEN: Final = {3: "no model", 4: "not finite", 5: "flipped byte"}
Boxes = list[dict[str, Any]]


@dataclass
class Load:
    """Clients that send images until enough requests were answered."""

    port: int
    contents: Sequence[bytes]
    expected: Mapping[int, Sequence[Boxes]]
    """The boxes of each image, by version."""
    requests: int
    seconds: list[float] = field(default_factory=list)
    results: Counter[str] = field(default_factory=Counter)
    versions: Counter[int] = field(default_factory=Counter)
    _numbers: Any = field(default_factory=itertools.count)

    @property
    def sent(self) -> int:
        """Return how many requests were answered or have failed."""
        return self.results.total()

    def client(self) -> None:
        """Send images one after another; a connection is opened again only after a failure."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        while (number := next(self._numbers)) < self.requests:
            start = time.perf_counter()
            try:
                result = self._ask(connection, number % len(self.contents))
            except (OSError, http.client.HTTPException) as error:
                result = f"no answer: {type(error).__name__}"
                connection.close()
            self.seconds.append(time.perf_counter() - start)
            self.results[result] += 1
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, at: int) -> str:
        connection.request("POST", PATH, body=self.contents[at])
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            return f"code {answer.status}"
        told = json.loads(content)
        version = told["version"]
        self.versions[version] += 1
        if version not in GOOD or answer.getheader("model-version") != str(version):
            return f"version {version}"
        return "held" if told["boxes"] == self.expected[version][at] else "boxes of another version"


def registry(folder: Path, *, size: int) -> Registry:
    """Return a registry of two good versions and three that must be refused; the first one is the champion."""
    first, second = (exported(folder, size=size, seed=seed) for seed in (0, 1))
    files = [first, second, folder / "no-model.onnx", folder / "not-finite.onnx", exported(folder, size=size, seed=2)]
    files[2].write_bytes(b"no model" * 1000)
    broken = onnx.load(str(first))
    weights = broken.graph.initializer[0]
    weights.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(weights), np.nan), weights.name))
    onnx.save(broken, str(files[3]))
    held = Registry(folder / "models", "swapped")
    for file in files:
        held.publish({ONNX: file}, {})
    held.promote(1, why="first")
    return held


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def moves(swaps: int, refused: int) -> list[int]:
    """Return the versions to which the alias moves: good ones in turn, with broken ones spread between them.

    >>> moves(4, 2)
    [2, 3, 1, 2, 4, 1]
    """
    found: list[int] = []
    kinds, done = itertools.cycle(BROKEN), 0
    for at in range(swaps):
        found.append(GOOD[(at + 1) % 2])
        if (at + 1) * refused // swaps > done or (refused and at == 0):
            found.append(next(kinds))
            done += 1
    return found


def state(port: int) -> dict[str, Any]:
    """Return the answer of /ready."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("GET", "/ready")
        found: dict[str, Any] = json.loads(connection.getresponse().read())
        return found


def move(held: Registry, port: int, version: int) -> bool:
    """Move the alias, and return whether the server took the version, or refused a broken one, within its time."""
    held.promote(version, why="load test")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = state(port)
        refused = (found["refused"] or {}).get("version")
        if version in BROKEN and refused == version:
            return bool(found["version"] in GOOD)
        if version in GOOD and found["version"] == version:
            return refused is None
        time.sleep(0.02)
    return False


def driven(load_: Load, held: Registry, plan: Sequence[int], *, clients: int) -> Counter[str]:
    """Let the clients send, move the alias at even intervals of requests, and return how the moves ended."""
    threads = [threading.Thread(target=load_.client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    found: Counter[str] = Counter()
    for at, version in enumerate(plan, start=1):
        while load_.sent < at * load_.requests // (len(plan) + 1):
            time.sleep(0.005)
        kind = "refused" if version in BROKEN else "swaps"
        found[kind if move(held, load_.port, version) else "wrong moves"] += 1
    found["sent before the last move ended"] = load_.sent
    for thread in threads:
        thread.join()
    return found


def measured(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one run."""
    held = registry(folder, size=asked.size)
    contents = pictures(16, size=asked.size)
    expected = {
        version: [load(held, version).detector.detect(decode(content), WANTED) for content in contents]
        for version in GOOD
    }
    if expected[1] == expected[2]:
        raise SystemExit("the boxes of two versions must differ, but are the same")
    flip(held.path(5) / ONNX)
    held.verified = held.path  # type: ignore[method-assign]  # as if the byte had been flipped after the promotion
    options = ["--version=champion", f"--poll={POLL_SECONDS}"]
    with server(held.folder, ROOT, options=options) as (port, process):
        load_ = Load(port, contents, expected, asked.requests)
        before = _memory(process)
        found = driven(load_, held, moves(asked.swaps, asked.refused), clients=asked.clients)
        after = _memory(process)
    shares = np.percentile(1000 * np.array(load_.seconds), (50, 99, 100))
    wrong = {name: count for name, count in load_.results.items() if name != "held"}
    return {
        "requests": load_.sent, "swaps": found["swaps"], "failed": sum(wrong.values()),
        **{f"{name}_ms": round(float(share), 2) for name, share in zip(("p50", "p99", "max"), shares, strict=True)},
        "refused": found["refused"], "wrong_moves": found["wrong moves"], "wrong": wrong,
        "by_version": dict(load_.versions), "sent_before_last_move": found["sent before the last move ended"],
        "rss_mb": [before, after], "clients": asked.clients, "size": asked.size, **machine(),
    }  # fmt: skip


def _memory(process: psutil.Process) -> float:
    return round(process.memory_info().rss / 1e6, 1)


def main() -> None:
    """Measure, and print one JSON object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--swaps", type=int, default=20, help="moves to a good version")
    parser.add_argument("--refused", type=int, default=6, help="further moves to a broken version")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--size", type=int, default=128, help="edge of the detectors' input and of the images")
    asked = parser.parse_args()
    with scratch.folder() as place:
        found = measured(place, asked)
    print(json.dumps(found))
    sys.exit(0 if not found["failed"] and found["swaps"] == asked.swaps and not found["wrong_moves"] else 1)


if __name__ == "__main__":
    main()
