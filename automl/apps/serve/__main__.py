"""Process of the HTTP service: `python -m automl.apps.serve MODEL --version V --host H --port P`.

A separate process, since the command line imports Ray and torch, which the service does not need.
"""

import argparse
import socket
import sys
from typing import Final

import cv2
import uvicorn
from fastapi import FastAPI

from automl.apps.registry import Registry, number_or_alias
from automl.apps.serve import service
from automl.apps.serve.connection import MOST_AT_ONCE, MOST_CONNECTIONS, Connection
from automl.apps.serve.hosts import Hosts
from automl.apps.serve.images import MAX_PIXELS, Limits
from automl.apps.serve.thresholds import Thresholds
from automl.study.errors import AutomlError, RegistryError
from automl.study.text import one_line

USER_ERROR: Final = 2


def bound(host: str, port: int) -> socket.socket:
    """Return a socket with an address, on which nothing listens before the model is ready.

    Raises:
        RegistryError: the address is in use or not of this machine.
    """
    listener = None
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not refused for connections of an ended server
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise _taken(host, port, error) from None
    listener.setsockopt(
        socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    )  # inherited; else responses wait 40 ms for delayed ACKs
    return listener


def _taken(host: str, port: int, error: OSError) -> RegistryError:
    return RegistryError(f"--port: {host}:{port} must be free, but {error.strerror}; choose another port")


def startup_message(served: service.Served, host: str, port: int) -> str:
    """Return the startup message of the service: address, version, file, provider, thresholds."""
    at: Thresholds = served.thresholds
    return (
        f"{served.name} version {served.number}: ready at http://{f'[{host}]' if ':' in host else host}:{port}\n"
        f"  file      {served.path}\n"
        f"  provider  {served.detector.provider}, images of {served.detector.size} pixels\n"
        f"  conf      {at.conf:g}, iou {at.iou:g}, max_det {at.max_det}; override them per request: ?conf=0.5"
        + "".join(f"\n  OVERRIDE  its gates refused it; promoted {one_line(text)}" for text in served.overrides)
    )


def main(given: list[str] | None = None) -> int:
    """Serve until a signal ends the process; return the exit code."""
    parser = argparse.ArgumentParser(prog="automl serve")
    parser.add_argument("model")
    for option, default in (("--version", "champion"), ("--host", "127.0.0.1")):
        parser.add_argument(option, default=default)
    parser.add_argument("--port", default=8000, type=int)
    parser.add_argument("--max-pixels", default=MAX_PIXELS, type=int)
    parser.add_argument("--allowed-host", action="append", default=[])
    wanted = parser.parse_args(given)
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # its warnings are of clients' files
    try:
        with bound(wanted.host, wanted.port) as listener:
            served = service.load(Registry(wanted.model).stored, number_or_alias(wanted.version))
            hosts = Hosts(wanted.host, wanted.allowed_host)
            listen(listener, wanted.host)
            print(startup_message(served, wanted.host, listener.getsockname()[1]), flush=True)
            run(service.app(served, hosts, Limits(wanted.max_pixels)), listener)
    except AutomlError as error:
        print(f"automl: {error}", file=sys.stderr)
        return USER_ERROR
    return 0


def listen(listener: socket.socket, host: str) -> None:
    """Open the port.

    Raises:
        RegistryError: another process listens on it by now.
    """
    try:
        listener.listen(MOST_CONNECTIONS)
    except OSError as error:
        raise _taken(host, listener.getsockname()[1], error) from None


def run(app: FastAPI, listener: socket.socket) -> None:
    """Answer requests on a listening socket."""
    settings = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        log_level="error",  # warnings are of clients: a request that is no HTTP
        backlog=MOST_CONNECTIONS,
        limit_concurrency=MOST_AT_ONCE + 1,  # `Connection` keeps below, unless that many requests run
        access_log=False,
        lifespan="off",
    )
    uvicorn.Server(settings).run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())
