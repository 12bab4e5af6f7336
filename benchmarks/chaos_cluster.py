"""A small Ray cluster of one machine with a study on it, and the ways to hurt them: by process id, never by name."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import psutil

from tests.free_port import free_port

TRAINABLE = "ray::Training"
"""What Ray calls a worker that has a training."""
REAPER = "reaper.py"
"""The program of a reaper; its last arguments are the training, its start, the worker, its start, and a mark."""
NODES = 2
NODE_STARTS: Final = 5
NODE_SECONDS: Final = 60.0
"""Of one start, as long as some raylet runs; the others do, even where that of the new node has ended."""


@dataclass
class Machines:
    """A head without work and nodes of one core each, as raylets on this machine; the head's store is kept on disk."""

    folder: Path
    chance: Random
    count: int = NODES
    cluster: Any = None
    nodes: list[Any] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Return where a driver joins."""
        return str(self.cluster.address)

    def start(self) -> None:
        """Start a cluster that knows nothing of an earlier one."""
        from ray.cluster_utils import Cluster

        kept = self.folder / f"store{secrets.token_hex(2)}"
        kept.mkdir()
        os.environ.update(RAY_gcs_storage="rocksdb", RAY_gcs_storage_path=str(kept))
        head = {"num_cpus": 0, "include_dashboard": False, "gcs_server_port": free_port()}
        with _starting():
            self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = [_added(self.cluster) for _ in range(self.count)]

    def replace(self) -> None:
        """Kill the head's store and all nodes, and start another cluster."""
        self.cluster.head_node.kill_gcs_server()
        self.end()
        self.start()

    def end(self) -> None:
        """End all nodes: a drain of each, as Ray's own shutdown asks for, would wait for a store that may be gone."""
        if self.cluster:
            for node in self.cluster.list_all_nodes():
                self.cluster.remove_node(node, allow_graceful=False)

    @contextmanager
    def store_killed(self) -> Iterator[None]:
        """Kill the head's store, and start it again at the end of the block: it has kept its state."""
        self.cluster.head_node.kill_gcs_server()
        try:
            yield
        finally:
            self.cluster.head_node.start_gcs_server()

    def resize(self, count: int) -> None:
        """Have another number of nodes."""
        self.count = count
        while len(self.nodes) > count:
            self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)
        while len(self.nodes) < count:
            self.nodes.append(_added(self.cluster))

    def workers(self) -> list[psutil.Process]:
        """Return the workers of Ray that have a training."""
        return [worker for node in self.nodes for worker in _trainers(node)]

    def kill_worker(self) -> set[int]:
        """Kill a worker of Ray; return its id and that of its training, nothing where none trains."""
        found = self.workers()
        if not found:
            return set()
        worker = self.chance.choice(found)
        return _trainings({worker.pid}) | _kill(worker)

    def kill_training(self) -> set[int]:
        """Kill a process that trains, a fork of the fork server; return its id, nothing where none trains."""
        found = sorted(_trainings({worker.pid for worker in self.workers()}))
        try:
            return _kill(psutil.Process(self.chance.choice(found))) if found else set()
        except psutil.NoSuchProcess:
            return set()

    def kill_node(self) -> set[int]:
        """Kill a raylet, its workers with it, and start another node in its place."""
        node = self.chance.choice(self.nodes)
        workers = {worker.pid for worker in _trainers(node)}
        gone = workers | _trainings(workers)
        os.kill(_raylet(node), signal.SIGKILL)
        self.cluster.remove_node(node, allow_graceful=False)
        self.nodes.remove(node)
        self.nodes.append(_added(self.cluster))
        return gone


@contextmanager
def machines(folder: Path, chance: Random) -> Iterator[Machines]:
    """Start a cluster with a token of its own; sockets lie in `folder`, whose path must be short."""
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32), RAY_TMPDIR=str(folder))
    there = Machines(folder, chance)
    try:
        there.start()
        yield there
    finally:
        there.end()


@contextmanager
def _starting(*longest: float) -> Iterator[None]:
    """Let nodes start in a block, in so many seconds if given; with AUTOML_DASHBOARD=0 they start no dashboard."""
    from automl.cluster import embedded, slow_start

    with ExitStack() as stack:
        stack.enter_context(slow_start.allowed(*longest))
        if not embedded.has_dashboard():
            stack.enter_context(embedded.lean(dashboard=False, environments=True))
        yield


def _added(cluster: Any) -> Any:  # noqa: ANN401
    """Return a new node of one core; a raylet ends itself where its agents start slowly, so another is started then."""
    for _ in range(NODE_STARTS - 1):
        with suppress(Exception), _starting(NODE_SECONDS):  # Ray raises nothing narrower
            return cluster.add_node(num_cpus=1)
    with _starting(NODE_SECONDS):
        return cluster.add_node(num_cpus=1)


REFUSED: Final = 2
"""The exit code of a mistake in the input."""
MOST_REFUSALS: Final = 5
"""In a row."""


@dataclass
class Driver:
    """The process of a study; started again by `automl resume` when it is gone."""

    study: Path
    spec: Path
    address: str
    log: Path
    starts: int = 0
    refusals: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def alive(self) -> bool:
        """Tell whether it runs."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Begin the study, or resume it.

        Raises:
            RuntimeError: the drivers refused the study again and again, so that no restart helps; a node that dies
                while a driver starts makes it refuse once.
        """
        refused = self.process is not None and self.process.poll() == REFUSED
        self.refusals = self.refusals + 1 if refused else 0
        if self.refusals > MOST_REFUSALS:
            raise RuntimeError(f"{self.refusals} drivers refused the study; see the end of {self.log}")
        begun = (self.study / "study.yaml").exists()
        search = ["search", str(self.spec), "--name", self.study.name, "--storage", str(self.study.parents[1])]
        verb = ["resume", str(self.study)] if begun else search
        line = [sys.executable, "-c", "from automl.apps.cli import app; app()", *verb, "--address", self.address]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(line, stdout=log, stderr=log, start_new_session=True)
        self.starts += 1

    def kill(self) -> set[int]:
        """Kill it; its workers end by Ray's hand."""
        if not self.alive or self.process is None:
            return set()
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return {beat["process"] for beat in beats(self.study).values()}

    def stop(self) -> None:
        """End it for good."""
        if self.alive and self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=60)


def beats(study: Path) -> dict[Path, dict[str, Any]]:
    """Return the last heartbeat of each trial and re-training that has one."""
    found = {}
    for path in [*study.glob("trials/*/heartbeat.json"), *study.glob("confirm/*/heartbeat.json")]:
        try:
            found[path.parent] = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
    return found


def trains(study: Path) -> bool:
    """Return True if a process of a heartbeat lives."""
    return any(psutil.pid_exists(beat["process"]) for beat in beats(study).values())


def _raylet(node: Any) -> int:  # noqa: ANN401
    return int(node.all_processes["raylet"][0].process.pid)


def _trainers(node: Any) -> list[psutil.Process]:  # noqa: ANN401
    try:
        children = psutil.Process(_raylet(node)).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if TRAINABLE in _command(child)]


def _trainings(workers: set[int]) -> set[int]:
    """Return the processes that train for some workers: a reaper's arguments name both."""
    found = set()
    for process in psutil.process_iter():
        words = _words(process)
        if REAPER in [Path(word).name for word in words] and int(words[-3]) in workers:
            found.add(int(words[-5]))
    return found


def _command(process: psutil.Process) -> str:
    return " ".join(_words(process))


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it ended after it had been listed
        return []


def _kill(process: psutil.Process) -> set[int]:
    try:
        process.kill()
        process.wait(timeout=10)
    except psutil.NoSuchProcess:
        return set()
    return {process.pid}


def wait(ready: Callable[[], bool], *, seconds: float) -> bool:
    """Wait until something holds; tell whether it does."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
