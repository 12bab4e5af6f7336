"""Ranks of a training on several GPUs: one process for each GPU, started and watched by the process of the trial.

Each runs the whole training of Ultralytics (its `DistributedDataParallel`, samplers and gathering of metrics) through
`rank_process.py`. Rank 0 asks here before each next epoch: checkpoints, curves and reports are written by this process
alone, so that a trial of several GPUs is paused, resumed and ended like one of a single process.

Ultralytics' own start (`utils/dist.py`) is not used: it deletes the folder of the training, needs `cloudpickle`, and
its launcher, torch elastic, does not tell which rank ended first, nor whether a signal ended it (docs/decisions/0060).
"""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from automl.storage.epoch_details import EpochDetails
from automl.study import EndReason, Measurement
from automl.study.errors import DataError, TrialError
from automl.trainers.protocol import OnEpoch
from automl.trainers.yolo.arguments import processes

MODULE: Final = "automl.trainers.yolo.rank_process"
ORDER: Final = "ranks.json"
FIRST: Final = "first.pt"
"""Weights with which all ranks begin, in the folder of the training: those of a training of one process."""
EPOCH, FAILED, OVER = "epoch", "failed", "over"
"""Messages of a rank: an epoch, which is answered; its error; its metrics at the end."""
SETTLE_SECONDS: Final = 2.0
"""After the first error others may follow within this time; the one that came first, or a killed process, is the
cause."""
END_SECONDS: Final = 30.0
"""Time in which a rank that is over must end."""
CHUNK: Final = 1 << 16


class RankError(Exception):
    """An error of a rank that is none of a known kind, as text."""


class RankLost(Exception):  # noqa: N818  (the rank made no error)
    """A rank was killed."""


@dataclass(slots=True)
class Rank:
    """One process."""

    number: int
    process: subprocess.Popen[bytes]
    connection: socket.socket
    over: Mapping[str, float] | None = None
    """Its metrics, once it is over."""
    failure: Mapping[str, Any] | None = None
    _buffer: bytes = b""

    @property
    def ended(self) -> bool:
        """Return True if the process has ended."""
        return self.process.poll() is not None

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield the messages that have arrived, without waiting."""
        with suppress(BlockingIOError, ConnectionError):
            while part := self.connection.recv(CHUNK, socket.MSG_DONTWAIT):
                self._buffer += part
        *lines, self._buffer = self._buffer.split(b"\n")
        yield from map(json.loads, lines)


def train(trainer: Any) -> dict[str, float]:  # noqa: ANN401  (Ultralytics' trainer, in the process of the trial)
    """Train on all GPUs of the job of a trainer, and return the metrics of the evaluated `best.pt`.

    If a rank is killed, this process kills itself, so that its loss is that of a training of one process: its worker
    is lost, and the last heartbeat stays, which tells whether memory ran out.

    Raises:
        TrialError, DataError, OSError, RankError: the error of the rank that failed first.
    """
    import torch
    from torch.distributed import TCPStore

    hooks, folder = trainer.hooks, Path(trainer.save_dir)
    torch.save(trainer.model.state_dict(), folder / FIRST)
    order = folder / ORDER
    plain = {"job": hooks.job.to_dict(), "scratch": str(folder), "state": hooks.state and str(hooks.state)}
    order.write_text(json.dumps(plain), encoding="utf-8")
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # on a port that the kernel chooses
    with started(processes(hooks.job), order, port=store.port) as ranks:
        try:
            return Watch(ranks, hooks.on_epoch).run()
        except RankLost as lost:
            sys.stdout.write(f"{lost}: this process ends too\n")
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
            raise


@contextmanager
def started(count: int, order: Path, *, port: int) -> Iterator[list[Rank]]:
    """Start so many ranks, which meet at a store on a port; those that are left are ended with the block."""
    with ExitStack() as open_ones:
        ranks = [open_ones.enter_context(_started(number, count, order, port=port)) for number in range(count)]
        yield ranks


@contextmanager
def _started(number: int, count: int, order: Path, *, port: int) -> Iterator[Rank]:
    here, there = socket.socketpair()
    variables = {
        "RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count,
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": True,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }  # fmt: skip
    with here:
        with there:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", MODULE, str(order), str(there.fileno()), str(os.getpid())],
                env={**os.environ, **{name: str(value) for name, value in variables.items()}},
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
            )
        try:
            yield Rank(number, process, here)
        finally:
            process.kill()
            process.wait()


@dataclass(slots=True)
class Watch:
    """The ranks of a training until its end."""

    ranks: list[Rank]
    on_epoch: OnEpoch
    _failed: bool = field(default=False, init=False)

    def run(self) -> dict[str, float]:
        """Answer the ranks until all are over, and return the metrics of rank 0.

        Raises:
            RankLost: a rank was killed. Else the error of the rank that failed first, see `train`.
        """
        with selectors.DefaultSelector() as selector, ExitStack() as opened:
            for rank in self.ranks:
                process = os.pidfd_open(rank.process.pid)
                opened.callback(os.close, process)
                for source in (process, rank.connection):
                    selector.register(source, selectors.EVENT_READ, rank)
            while not self._failed and any(rank.over is None for rank in self.ranks):
                for key, _ in selector.select():
                    self._read(key.data)
                    if self._is_over(key.fileobj, key.data):
                        selector.unregister(key.fileobj)
        if self._failed:
            raise self._cause()
        for rank in self.ranks:
            with suppress(subprocess.TimeoutExpired):
                rank.process.wait(END_SECONDS)
        return dict(self.ranks[0].over or {})

    def _read(self, rank: Rank) -> None:
        """Use the messages of a rank."""
        for message in rank.messages():
            if EPOCH in message:
                self._report(message)
                with suppress(ConnectionError):
                    rank.connection.sendall(b"\n")
            elif FAILED in message:
                rank.failure, self._failed = message[FAILED], True
            else:
                rank.over = message[OVER]

    def _is_over(self, source: object, rank: Rank) -> bool:
        """Return True if a source can say no more; a process that ended without its last message has failed.

        Loaders of a killed rank may hold its connection open for a while, so its process is watched too.
        """
        if source is rank.connection:
            with suppress(BlockingIOError, ConnectionError):
                return not rank.connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK)
            return False
        self._failed = self._failed or rank.over is None
        return True

    def _report(self, message: Mapping[str, Any]) -> None:
        pictured = EpochDetails.load(Path(message["pictured"])) if message["pictured"] else EpochDetails()
        shown = EpochDetails(message["scalars"], pictured.images, pictured.pr_curves, pictured.histograms)
        weights, state = Path(message["weights"]), Path(message["state"])
        self.on_epoch(Measurement.from_dict(message[EPOCH]), weights, state, shown)

    def _cause(self) -> Exception:
        """Return the error with which the training ends: a killed rank, else the first message."""
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until and not all(rank.ended for rank in self.ranks):
            time.sleep(SETTLE_SECONDS / 20)
        for rank in self.ranks:
            self._read_failure(rank)
        lost = [rank for rank in self.ranks if rank.ended and rank.over is None and rank.failure is None]
        failures = sorted((rank.failure["at"], rank.number) for rank in self.ranks if rank.failure)
        if lost or not failures:
            return RankLost(f"{_ends(lost)} of {len(self.ranks)} ranks ended without a message")
        return error_of(self.ranks[failures[0][1]])

    def _read_failure(self, rank: Rank) -> None:
        for message in rank.messages():
            rank.failure = message.get(FAILED, rank.failure)


def _ends(lost: list[Rank]) -> str:
    return ", ".join(f"rank {rank.number} (exit {rank.process.returncode})" for rank in lost) or "none"


def failure_of(error: BaseException) -> dict[str, Any]:
    """Return an error as plain values, with the time at which it came."""
    kinds = (TrialError, DataError, OSError)
    kind = next((kind.__name__ for kind in kinds if isinstance(error, kind)), "")
    plain = {"at": time.monotonic(), "kind": kind, "text": str(error)}
    if isinstance(error, OSError):
        return plain | {"os": [error.errno, error.strerror, error.filename and str(error.filename)]}
    if isinstance(error, TrialError):
        return plain | {"reason": error.reason}
    return plain if kind else plain | {"text": f"{type(error).__name__}: {error}"}


def error_of(rank: Rank) -> Exception:
    """Return the error of a rank that `failure_of` made plain."""
    plain = rank.failure or {}
    if plain["kind"] == TrialError.__name__:
        return TrialError(plain["text"], reason=plain["reason"] and EndReason(plain["reason"]))
    if plain["kind"] == DataError.__name__:
        return DataError(plain["text"])
    return OSError(*plain["os"]) if "os" in plain else RankError(f"rank {rank.number}: {plain['text']}")
