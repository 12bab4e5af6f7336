"""Attack on `automl serve`: mutated images, memory and time bombs, slow clients and floods, on loopback only.

    python -m benchmarks.attacks.server --tried 10000 --seed 1
    python -m benchmarks.attacks.server --root ../other        # the server of another working tree

An input is held if the server answers it with boxes, or with a 4xx or 503 whose JSON has one sentence. `uncaught`
counts all else: other codes, no answer, an error in the server's log, a health check that fails, the server's end.
Memory is the server's own peak (VmHWM) after a warm-up, divided by its resident memory after the warm-up.

Prints one JSON object on the last line.
"""

import argparse
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from automl.storage.layout import ONNX
from automl.storage.registry import Registry
from benchmarks.attacks import pictures
from benchmarks.serving import COMMAND, ROOT, wait
from tests.free_port import free_port

CLIENTS: Final = 4
CHUNKED: Final = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
PATIENCE: Final = 90.0
HEALTH_EVERY: Final = 0.05
SECONDS: Final = 150.0
"""After this time no more mutated images are sent by default, so that fewer than asked may have been tried."""
REFUSALS: Final = frozenset({400, 408, 413, 422, 503})
MARK: Final = "attack"
BATCH: Final = {"content-type": f"multipart/form-data; boundary={MARK}"}
Found = Counter[str]


def model(path: Path) -> Path:
    """Write the ONNX file of a small detector with random weights: 128 x 128 pixels, 3 classes, 256 anchors."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save

    weights = np.random.default_rng(0).normal(0, 1, (7, 3, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["images"], ["pooled"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Conv", ["pooled", "weights"], ["mixed"], kernel_shape=[1, 1]),
        helper.make_node("Sigmoid", ["mixed"], ["scores"]),
        helper.make_node("Reshape", ["scores", "shape"], ["output0"]),
    ]
    entry, output = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("images", [1, 3, 128, 128]), ("output0", [1, 7, 256]))
    )
    constants = {"weights": weights, "shape": np.array([1, 7, 256], np.int64)}
    graph = helper.make_graph(
        nodes, "detector", [entry], [output], [numpy_helper.from_array(held, name) for name, held in constants.items()]
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(made, {"task": "detect", "names": "{0: 'a', 1: 'b', 2: 'c'}"})
    save(made, str(path))
    return path


class Target:
    """A running server, and what was found out about it."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        """Note where it runs."""
        self.port, self.process = port, process
        self.found, self.slowest, self._lock = Counter[str](), 0.0, threading.Lock()

    def note(self, result: str, times: int = 1) -> None:
        """Count a result."""
        with self._lock:
            self.found[result] += times

    def memory(self, field: str) -> int:
        """Return a field of the kernel's record of its memory, in KiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
        raise SystemExit(f"{field} must be in the kernel's record of the server, but is not")

    def forget_peak(self) -> None:
        """Set its recorded peak of memory to what it holds now."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def connection(self) -> http.client.HTTPConnection:
        """Return a client's connection, not opened yet."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def socket(self) -> socket.socket:
        """Return an open connection without a protocol."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)


@contextmanager
def started(folder: Path, root: Path) -> Iterator[Target]:
    """Run `automl serve` of a working tree; what it logs counts at the end."""
    registry = Registry(folder / "models", "attacked")
    registry.publish({ONNX: model(folder / "small.onnx")}, {})
    port = free_port()
    words = [sys.executable, "-P", "-c", COMMAND, "serve", str(registry.folder), "--version=1", f"--port={port}"]
    log = folder / "server.log"
    with (
        log.open("wb") as lines,
        subprocess.Popen(
            words, env={**os.environ, "PYTHONPATH": str(root)}, stdout=subprocess.DEVNULL, stderr=lines, cwd=folder
        ) as process,
    ):
        try:
            wait(port, process)
            target = Target(port, process)
            yield target
            target.note("ended", int(process.poll() is not None))
        finally:
            process.terminate()
    written = log.read_text(errors="replace")
    target.note("logged", sum(line.startswith(("Traceback", "ERROR", "CRITICAL")) for line in written.splitlines()))


def judged(status: int, body: bytes) -> str:
    """Return `held`, or what is wrong with an answer."""
    try:
        told = json.loads(body)
        if status == 200:
            found = told.get("images", [told])
            return "held" if all(isinstance(one["boxes"], list) for one in found) else "no boxes"
        sentence = told["detail"]
        fine = status in REFUSALS and isinstance(sentence, str) and len(sentence) < 300 and "\n" not in sentence
    except (ValueError, KeyError, TypeError):
        return f"code {status}, no JSON"
    return "held" if fine else f"code {status}"


def send(target: Target, contents: Sequence[bytes], headers: Mapping[str, str] | None = None) -> None:
    """Send images one after another on one connection, opened again where it breaks."""
    connection = target.connection()
    for content in contents:
        try:
            connection.request("POST", "/predict", body=content, headers=dict(headers or {}))
            answer = connection.getresponse()
            target.note(judged(answer.status, answer.read()))
        except (OSError, http.client.HTTPException) as error:
            target.note(f"no answer: {type(error).__name__}")
            connection.close()
            connection = target.connection()
    connection.close()


def fuzz(target: Target, *, tried: int, seed: int, end: float) -> None:
    """Send mutated images of 48 kinds, until the clock says `end`."""
    originals = list(pictures.kinds().values())

    def client(number: int) -> None:
        chance = random.Random(f"{seed} {number}")
        for _ in range(number, tried, CLIENTS * 50):
            few = range(min(50, tried) if time.monotonic() < end else 0)
            send(target, [pictures.mutated(chance.choice(originals), chance, originals) for _ in few])

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(0, CLIENTS * 50, 50)))


def bombs(target: Target, *, at_once: int) -> None:
    """Send each bomb alone, then each large one several times at once."""
    held = pictures.bombs()
    send(target, list(held.values()))
    large = [content for name, content in held.items() if "12 MP" in name or "64 MP" in name]
    with ThreadPoolExecutor(at_once) as pool:
        for content in large[: at_once // 2]:
            list(pool.map(lambda one: send(target, [one]), [content] * at_once))


def batches(target: Target, *, at_once: int) -> None:
    """Send multipart bodies: large images, too many parts, endless headers, nearly boundaries; several at once."""
    line, head = f"--{MARK}\r\n".encode(), b'content-disposition: form-data; name="image"; filename="a"\r\n\r\n'
    end = f"--{MARK}--\r\n".encode()
    large = [content for name, content in pictures.bombs().items() if "12 MP" in name and len(content) < 1 << 20]
    found = [
        *((line + head + content + b"\r\n") * 32 + end for content in large),
        (line + head + pictures.saved("JPEG") + b"\r\n") * 32 + end,
        (line + head + b"\r\n") * 300_000 + end,
        line + bytes([65]) * (30 << 20) + b"\r\n\r\n" + end,
        line + head + f"\r\n--{MARK[:-1]}".encode() * 3_000_000 + end,
        line + head + b"\r\n" * (15 << 20),
        f"--{MARK}".encode() * 3_000_000,
    ]
    for body in found:
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda one: send(target, [one], BATCH), [body] * at_once))


def serves(target: Target) -> bool:
    """Return True if an ordinary client gets boxes, three times, on a new connection each time."""
    codes = []
    for _ in range(3):
        connection = target.connection()
        with suppress(OSError, http.client.HTTPException), closing(connection):
            connection.request("POST", "/predict", body=pictures.saved("JPEG"))
            answer = connection.getresponse()
            answer.read()
            codes.append(answer.status)
    return codes == [200] * 3


def crowd_of_slow_clients(target: Target, what: bytes, *, count: int) -> None:
    """Let clients send the beginning of a request and stop; others must be answered meanwhile."""
    clients = []
    for _ in range(count):
        client = target.socket()
        clients.append(client)
        client.settimeout(5)
        with suppress(OSError):
            client.sendall(what)
    target.note("held" if serves(target) else "others not answered", count)
    for client in clients:
        client.close()


def pipelined(target: Target, *, count: int) -> None:
    """Send requests without reading an answer."""
    body = pictures.saved("JPEG")
    one = b"POST /predict?conf=0 HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    crowd_of_slow_clients(target, one * 20, count=count)


def slow(target: Target, *, share: float) -> None:
    """Send half heads, half bodies, small chunks, unread answers, what is no HTTP; `share` of the greatest number."""
    most = [max(2, round(share * number)) for number in (400, 60, 60, 60, 40, 60)]
    promised = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 31457280\r\n\r\n"
    attacks: list[tuple[Callable[..., None], tuple[Any, ...]]] = [
        (crowd_of_slow_clients, (b"POST /predict HTTP/1.1\r\nhost: local",)),
        (crowd_of_slow_clients, (promised + bytes(31457280 - 1),)),
        (crowd_of_slow_clients, (promised + bytes(100_000),)),
        (crowd_of_slow_clients, (CHUNKED + b"1\r\nx\r\n" * 400_000,)),
        (crowd_of_slow_clients, (b"\x16\x03\x01\0\xff" * 9 + b"\r\n\r\n",)),
        (pipelined, ()),
    ]
    for (attack, arguments), count in zip(attacks, most, strict=True):
        attack(target, *arguments, count=count)


@contextmanager
def health(target: Target) -> Iterator[None]:
    """Ask for /health all the while, each time on a new connection, and note the slowest answer."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(HEALTH_EVERY):
            start = time.perf_counter()
            connection = target.connection()
            try:
                connection.request("GET", "/health")
                answer = connection.getresponse()
                answer.read()
                target.note("not healthy", int(answer.status != 200))
            except (OSError, http.client.HTTPException):
                target.note("not healthy")
            connection.close()
            target.slowest = max(target.slowest, time.perf_counter() - start)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def attacked(
    folder: Path, root: Path, *, tried: int, seed: int, seconds: float = SECONDS
) -> tuple[Found, dict[str, float]]:
    """Return what was found, by kind, and the figures of `run`."""
    with started(folder, root) as target:
        send(target, list(pictures.kinds().values()) * 2)
        target.found.clear()
        end = time.monotonic() + seconds
        idle = target.memory("VmRSS")
        target.forget_peak()
        with health(target):
            share = min(1.0, tried / 5000)
            slow(target, share=share)
            bombs(target, at_once=max(2, round(12 * share)))
            batches(target, at_once=max(2, round(4 * share)))
            fuzz(target, tried=max(0, tried - target.found.total()), seed=seed, end=end)
        peak = target.memory("VmHWM") if target.process.poll() is None else 0
    found, held = target.found, target.found["held"]
    beside = sum(found[name] for name in ("logged", "ended", "not healthy"))
    total = found.total() - beside
    return found, {
        "tried": total, "held": held, "uncaught": total - held + beside,
        "peak_ratio": round(peak / idle, 2), "health_s": round(target.slowest, 3), "idle_mb": round(idle / 1000, 1),
    }  # fmt: skip


def run(folder: Path, *, tried: int, seed: int, seconds: float = SECONDS) -> dict[str, float]:
    """Attack a server with about `tried` inputs; return how many were tried and held, and what the server took.

    Args:
        folder: An empty folder for the registry and the server's log.
        tried: The number of inputs; bombs and slow clients are about 150 of them, 800 from 5,000 on.
        seed: Decides the mutations.
        seconds: After this time no more mutated images are sent.
    """
    found = attacked(folder, ROOT, tried=tried, seed=seed, seconds=seconds)[1]
    return {key: found[key] for key in ("tried", "held", "uncaught", "peak_ratio", "health_s")}


def main() -> None:
    """Attack, and print one JSON object on the last line."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tried", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--root", type=Path, default=ROOT, help="the working tree whose server is attacked")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        start = time.monotonic()
        found, figures = attacked(Path(place), asked.root.resolve(), tried=asked.tried, seed=asked.seed)
    print(json.dumps({**figures, "seconds": round(time.monotonic() - start), "seed": asked.seed, **found}))


if __name__ == "__main__":
    main()
