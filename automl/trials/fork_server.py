"""Fork server: one process a node that has imported all that a training uses, and forks a process for each training.

A training then starts in tens of milliseconds, in a process that nothing was trained in, and shares the memory of the
imported modules. The server uses no device and starts no thread, so that a fork can use both.

It listens on an abstract socket of Linux, whose name is derived from what the server depends on: owner process, user,
interpreter, module path. Whoever binds the name first starts the server; the kernel frees the name with the process.
Only processes of the same user are served. It ends with its owner (Ray's raylet), or when it had no training for a
while.

A driver whose Ray is embedded starts the first server itself, before Ray, so that its imports run while Ray starts; the
workers have its name in their environment.
"""

import errno
import gc
import hashlib
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from automl.storage import streams

IDLE_SECONDS: Final = 60.0
"""The server ends after so long without a training: it keeps its imports in memory, 400 MB with torch."""
FIRST_SECONDS: Final = 300.0
"""A server that was started ahead waits so long for its first training: labels are scanned and nodes probed before."""
REAP_SECONDS: Final = 1.0
"""Interval in which ended trainings are waited for."""
CREDENTIALS: Final = struct.Struct("3i")
"""Process, user and group at the other end of a socket."""
BACKLOG: Final = 256
TRIES: Final = 50
PAUSE: Final = 0.1


PREPARED: Final = "AUTOML_FORK_SERVER"
"""Environment variable of the workers of an embedded Ray: `trainer=name` of the server that their driver started."""
THREADS: Final = "OMP_NUM_THREADS"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a server belongs to."""

    process: int
    """The process with which it ends."""
    name: str
    """Distinguishes the servers of several studies of that process."""
    trainer: str
    """The trainer that it imports, by its name."""
    idle: float = IDLE_SECONDS
    first: float = FIRST_SECONDS
    """Seconds without a training after which a server ends, and before its first one."""

    @property
    def address(self) -> str:
        """Return the name of its socket."""
        space = Path("/proc/self/ns/mnt").readlink()  # containers may share a network, but not their files
        known = (self.process, self.name, self.trainer, os.getuid(), str(space), sys.executable, sys.path)
        return f"\0automl-{hashlib.sha256(repr(known).encode()).hexdigest()[:32]}"


def connect(owner: Owner) -> socket.socket:
    """Return a connection to a new process, see `training_process`; the server is started if there is none.

    Raises:
        OSError: the server cannot be started.
    """
    for _ in range(TRIES):
        for address in (*_prepared(owner.trainer), owner.address):
            if connection := _connected(address):
                return connection
        if not _start(owner, os.environ):
            time.sleep(PAUSE)
    raise ConnectionRefusedError(f"no answer from the fork server {owner.address[1:]}")


@contextmanager
def prepared(trainer: str) -> Iterator[None]:
    """Start a server for the workers that this process starts in a block: it imports while they start.

    Ray gives a worker as many threads as it has CPU cores; the imports need one, and trainings set their own number.
    """
    owner = Owner(os.getpid(), uuid.uuid4().hex, trainer)
    _start(owner, {THREADS: "1", **os.environ})
    os.environ[PREPARED] = f"{trainer}={owner.address[1:]}"
    try:
        yield
    finally:
        os.environ.pop(PREPARED, None)


def start(owner: Owner) -> None:
    """Start the server of an owner, unless it or one of the driver was started: it imports before it is needed."""
    if not [*_prepared(owner.trainer)]:
        _start(owner, os.environ)


def _prepared(trainer: str) -> Iterator[str]:
    """Yield the name of the socket of the server that the driver has started, if it is one of this trainer."""
    name, _, address = os.environ.get(PREPARED, "").rpartition("=")
    if address and name == trainer:
        yield f"\0{address}"


def _connected(address: str) -> socket.socket | None:
    """Return a connection to a server, None if there is none."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(address)
    except ConnectionRefusedError:
        connection.close()
        return None
    if _user_of(connection) == os.getuid():
        return connection
    connection.close()
    raise PermissionError(f"the socket of the fork server {address[1:]} belongs to another user")


def _user_of(connection: socket.socket) -> int:
    """Return the user at the other end."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return int(CREDENTIALS.unpack(found)[1])


def _start(owner: Owner, environment: Mapping[str, str]) -> bool:
    """Start a server; False if another process has the name of its socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            listener.bind(owner.address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        listener.listen(BACKLOG)
        subprocess.run(
            [sys.executable, "-P", "-m", __name__, str(listener.fileno()), json.dumps(asdict(owner))],
            pass_fds=[listener.fileno()],
            env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=True,
        )
    return True


def main(descriptor: int, owner: Owner) -> None:
    """Import the trainer, then serve until the owner is gone or nothing was asked for a while."""
    listener = socket.socket(fileno=descriptor)
    alive = os.pidfd_open(owner.process)
    before = dict(os.environ)
    streams.clean_prints()
    _import(owner.trainer)
    gc.collect()
    gc.freeze()  # else a collection in a fork would copy the pages of all objects
    values = {name: (before.get(name), os.environ.get(name)) for name in {*before, *os.environ}}
    server = _Server(listener, {name: value for name, value in values.items() if value[0] != value[1]})
    server.serve(alive, owner.idle, first=owner.first)


def _import(trainer: str) -> None:
    """Import what a training uses; what cannot be imported fails in each training, with its message.

    The software is looked up here too: the forks have what is imported now, and would each need half a second for it.
    """
    from importlib import import_module  # noqa: PLC0415

    errors = import_module("automl.study.errors")
    with suppress(ImportError, errors.StudyError):
        import_module("automl.trials.worker")
        import_module("automl.storage.environment").present(gpu=False)
        import_module("automl.trials.training_process")
        registration = import_module("automl.trainers.registration")
        import_module(registration.module_of(trainer)).preload()


@dataclass(slots=True)
class _Server:
    """The trainings that are running, and what each fork gets."""

    listener: socket.socket
    changed: Mapping[str, tuple[str | None, str | None]]
    """Environment variables that the imports have set: values before and after."""
    children: set[int] = field(default_factory=set)

    def serve(self, alive: int, idle: float, *, first: float) -> None:
        """Fork trainings until the process with the descriptor `alive` is gone, or none runs for `idle` seconds.

        The first one may take `first` seconds to come.
        """
        self.listener.settimeout(0)
        last = time.monotonic() + first - idle
        with selectors.DefaultSelector() as selector:
            for source in (alive, self.listener):
                selector.register(source, selectors.EVENT_READ)
            while self.children or time.monotonic() - last < idle:
                ready = {key.fileobj for key, _ in selector.select(REAP_SECONDS if self.children else min(idle, first))}
                if alive in ready:
                    return
                self.children = {child for child in self.children if os.waitpid(child, os.WNOHANG) == (0, 0)}
                if self.listener in ready:
                    self._fork()
                last = time.monotonic() if self.children else last

    def _fork(self) -> None:
        """Accept a connection and fork a training for it; none for another user."""
        try:
            connection = self.listener.accept()[0]
        except BlockingIOError:
            return
        with connection:
            if _user_of(connection) != os.getuid():
                return
            child = os.fork()
            if not child:
                self._train(connection)
        self.children.add(child)

    def _train(self, connection: socket.socket) -> NoReturn:
        from automl.trials import training_process  # noqa: PLC0415

        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.listener.close()
        connection.settimeout(None)
        training_process.main(connection, self.changed)


if __name__ == "__main__":
    # Ray ends the children of a worker that ends; fork so that this one has another parent.
    if os.fork():
        os._exit(0)
    main(int(sys.argv[1]), Owner(**json.loads(sys.argv[2])))
