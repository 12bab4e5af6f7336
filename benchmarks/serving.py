"""What a request to `automl serve` costs: CPU time, latency with 1 and 8 clients, memory; beside ONNX Runtime alone.

The server runs in a process of its own on a registry made for the run; its CPU time and resident memory are those of
the operating system's process table. Plain ONNX Runtime is `InferenceSession.run` with the same file, one thread, on an
input that is ready: decoding and letterbox are left out, and given apart as `prepare_cpu_ms`.

    python benchmarks/serving.py                       # the micro detector of the sample study at 128 pixels, untrained
    python benchmarks/serving.py --onnx model.onnx     # another detector
    python benchmarks/serving.py --root ../other       # the server of another working tree, for a before and after

Prints one JSON object on the last line.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import cv2
import numpy as np
import onnxruntime
import psutil
from numpy.typing import NDArray

from automl.apps.serve.detector import letterboxed
from automl.apps.serve.images import decode
from automl.data import sample
from automl.storage import scratch
from automl.storage.layout import ONNX
from automl.storage.registry import Registry
from benchmarks.validation import machine
from tests.free_port import free_port

MODEL: Final = ROOT / "search_spaces" / "models" / "micro.yaml"
NAME: Final = "served"
CLIENTS: Final = (1, 8)
WARM: Final = 30
"""Requests before anything is measured."""
START_SECONDS: Final = 300.0
COMMAND: Final = "from automl.apps.cli import app; app()"


def exported(folder: Path, *, size: int, seed: int = 0) -> Path:
    """Return the ONNX file of the untrained micro detector, `micro<seed>.onnx`."""
    import torch
    from ultralytics import YOLO

    from automl.trainers import yolo

    yolo.settings()
    torch.manual_seed(seed)
    weights = folder / f"micro{seed}.pt"
    YOLO(MODEL, task="detect").save(weights)
    return Path(YOLO(weights).export(format="onnx", imgsz=size, simplify=True, device="cpu", verbose=False))


def pictures(count: int, *, size: int) -> list[bytes]:
    """Return JPEG files of sample scenes, enlarged to `size`."""
    rng, found = np.random.default_rng(0), []
    for _ in range(count):
        scene = cv2.resize(sample.scene(rng)[0], (size, size), interpolation=cv2.INTER_CUBIC)
        found.append(cv2.imencode(".jpg", scene, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
    return found


@contextmanager
def server(
    folder: Path, root: Path, *, options: Sequence[str] = ("--version=1",)
) -> Iterator[tuple[int, psutil.Process]]:
    """Run `automl serve` of a working tree; yield its port and process."""
    port = free_port()
    words = [sys.executable, "-P", "-c", COMMAND, "serve", str(folder), *options, f"--port={port}"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, cwd=folder) as process:
        try:
            wait(port, process)
            yield port, psutil.Process(process.pid)
        finally:
            process.terminate()


def wait(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when the server answers."""
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                ask(connection, None)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"the server must answer within {START_SECONDS:g} s, but did not (exit code {process.poll()})")


def ask(connection: http.client.HTTPConnection, content: bytes | None) -> float:
    """Send an image, or a look at /health; return the seconds until the answer was read."""
    start = time.perf_counter()
    connection.request("GET" if content is None else "POST", "/health" if content is None else "/predict", body=content)
    answer = connection.getresponse()
    told = answer.read()
    if answer.status != 200:
        raise SystemExit(f"an answer must be 200, but is {answer.status}: {told[:200]!r}")
    return time.perf_counter() - start


def load(port: int, contents: Sequence[bytes], *, clients: int, requests: int) -> list[float]:
    """Return the latencies of requests that clients send one after another on connections that stay open."""
    found: list[list[float]] = [[] for _ in range(clients)]

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for at in range(number, requests, clients):
            found[number].append(ask(connection, contents[at % len(contents)]))
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if sum(map(len, found)) != requests:
        raise SystemExit(f"{requests} requests must be answered, but {sum(map(len, found))} were")
    return [one for own in found for one in own]


def cpu_ms(work: Callable[[int], object], *, times: int) -> float:
    """Return the CPU time of one call in this process, all threads."""
    start = time.process_time()
    for at in range(times):
        work(at)
    return 1000 * (time.process_time() - start) / times


class Plain:
    """The same file in ONNX Runtime alone."""

    def __init__(self, path: Path, contents: Sequence[bytes]) -> None:
        """Load it, and make the inputs ready."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.entry = self.session.get_inputs()[0]
        self.contents = contents
        self.inputs = [self.prepare(at) for at in range(len(contents))]

    def prepare(self, at: int) -> NDArray[np.float32]:
        """Decode and letterbox an image."""
        return letterboxed(decode(self.contents[at % len(self.contents)]), size=self.entry.shape[2])

    def run(self, at: int) -> object:
        """Run the model on an input that is ready."""
        return self.session.run(None, {self.entry.name: self.inputs[at % len(self.inputs)]})


def repetition(port: int, process: psutil.Process, plain: Plain, *, requests: int) -> dict[str, float]:
    """Return every figure once: the server under each number of clients, then ONNX Runtime alone."""
    found: dict[str, float] = {}
    for clients in CLIENTS:
        before = process.cpu_times()
        latencies = load(port, plain.contents, clients=clients, requests=requests)
        after = process.cpu_times()
        spent = after.user + after.system - before.user - before.system
        found[f"cpu_ms.{clients}"] = 1000 * spent / requests
        for share in (50, 99):
            found[f"p{share}_ms.{clients}"] = 1000 * float(np.percentile(latencies, share))
    found["onnxruntime_cpu_ms"] = cpu_ms(plain.run, times=requests)
    found["prepare_cpu_ms"] = cpu_ms(plain.prepare, times=requests)
    found["rss_mb"] = process.memory_info().rss / 1e6
    return found


def summary(found: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Return the median over repetitions of each figure, and its least and greatest as `spread`."""
    middle = {key: round(median(one[key] for one in found), 2) for key in found[0]}
    spread = {key: [round(edge(one[key] for one in found), 2) for edge in (min, max)] for key in found[0]}
    by_clients = {
        key: {str(clients): middle[f"{key}.{clients}"] for clients in CLIENTS} for key in ("p50_ms", "p99_ms")
    }
    return {
        "cpu_ms": middle["cpu_ms.1"], "cpu_ms_8_clients": middle["cpu_ms.8"],
        **{key: middle[key] for key in ("onnxruntime_cpu_ms", "prepare_cpu_ms")},
        **by_clients, "rss_mb": middle["rss_mb"], "spread": spread,
    }  # fmt: skip


def main() -> None:
    """Measure, and print one JSON object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--onnx", type=Path, help="a detector; the untrained micro detector without it")
    parser.add_argument("--root", type=Path, default=ROOT, help="the working tree whose server is measured")
    parser.add_argument("--size", type=int, default=128, help="edge of the micro detector's input")
    parser.add_argument("--picture", type=int, default=128, help="edge of the images that are sent")
    parser.add_argument("--requests", type=int, default=400, help="for each number of clients")
    parser.add_argument("--repetitions", type=int, default=5)
    asked = parser.parse_args()
    contents = pictures(16, size=asked.picture)
    with scratch.folder() as place:
        path = asked.onnx or exported(place, size=asked.size)
        registry = Registry(place / "models", NAME)
        registry.publish({ONNX: path}, {})
        plain = Plain(path, contents)
        with server(registry.folder, asked.root.resolve()) as (port, process):
            load(port, contents, clients=8, requests=WARM)
            found = [repetition(port, process, plain, requests=asked.requests) for _ in range(asked.repetitions)]
    how = {"picture": asked.picture, "requests": asked.requests, "repetitions": asked.repetitions}
    print(json.dumps({**summary(found), **how, "input": plain.entry.shape[2], **machine()}))


if __name__ == "__main__":
    main()
