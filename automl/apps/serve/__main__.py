"""Process of the HTTP service: `python -m automl.apps.serve MODEL --version V --host H --port P`.

A separate process, since the command line imports Ray and torch, which the service does not need.
"""

import argparse
import socket
import sys
from typing import Final

import cv2
import uvicorn

from automl.apps.registry import Registry, number_or_alias
from automl.apps.serve import service
from automl.apps.serve.connection import Connection
from automl.apps.serve.thresholds import Thresholds
from automl.study.errors import AutomlError, RegistryError

MOST_CONNECTIONS: Final = 256
USER_ERROR: Final = 2


def listening(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        RegistryError: the address is in use or not of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=MOST_CONNECTIONS)
    except OSError as error:
        raise RegistryError(f"--port: {host}:{port} must be free, but {error.strerror}; choose another port") from None
    listener.setsockopt(
        socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    )  # inherited; else responses wait 40 ms for delayed ACKs
    return listener


def startup_message(served: service.Served, host: str, port: int) -> str:
    """Return the startup message of the service: address, version, file, provider, thresholds."""
    at: Thresholds = served.thresholds
    return (
        f"{served.name} version {served.number}: ready at http://{f'[{host}]' if ':' in host else host}:{port}\n"
        f"  file      {served.path}\n"
        f"  provider  {served.detector.provider}, images of {served.detector.size} pixels\n"
        f"  conf      {at.conf:g}, iou {at.iou:g}, max_det {at.max_det}; override them per request: ?conf=0.5"
    )


def main(given: list[str] | None = None) -> int:
    """Serve until a signal ends the process; return the exit code."""
    parser = argparse.ArgumentParser(prog="automl serve")
    parser.add_argument("model")
    for option, default in (("--version", "champion"), ("--host", "127.0.0.1"), ("--port", "8000")):
        parser.add_argument(option, default=default)
    wanted = parser.parse_args(given)
    cv2.setNumThreads(1)
    try:
        with listening(wanted.host, int(wanted.port)) as listener:
            served = service.load(Registry(wanted.model).stored, number_or_alias(wanted.version))
            print(startup_message(served, wanted.host, listener.getsockname()[1]), flush=True)
            run(served, listener)
    except AutomlError as error:
        print(f"automl: {error}", file=sys.stderr)
        return USER_ERROR
    return 0


def run(served: service.Served, listener: socket.socket) -> None:
    """Answer requests on a listening socket."""
    settings = uvicorn.Config(
        service.app(served),
        http=Connection,
        ws="none",
        log_level="warning",
        limit_concurrency=MOST_CONNECTIONS,
        access_log=False,
        lifespan="off",
    )
    uvicorn.Server(settings).run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())
