"""Process of the HTTP service: `python -m automl.apps.serve MODEL --version V --host H --port P`.

A separate process, since the command line imports Ray and torch, which the service does not need.
"""

import argparse
import logging
import socket
import sys
from pathlib import Path
from typing import Final

import cv2
import uvicorn
from fastapi import FastAPI

from automl.apps.serve import service
from automl.apps.serve.connection import MOST_AT_ONCE, MOST_CONNECTIONS, Connection
from automl.apps.serve.field_folder import FieldFolder
from automl.apps.serve.follower import Serving, following, opened
from automl.apps.serve.hosts import Hosts
from automl.apps.serve.images import MAX_PIXELS, Limits
from automl.storage import streams
from automl.study.errors import AutomlError, RegistryError
from automl.study.text import document, lines, one_line

USER_ERROR: Final = 2
POLL_SECONDS: Final = 2.0
"""Between two looks at the alias: a file of 100 bytes is read."""


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


def startup_message(serving: Serving, host: str, port: int) -> str:
    """Return the startup message of the service: address, version, file, provider, thresholds, alias."""
    served, at = serving.current, serving.current.thresholds
    return (
        f"{served.name} version {served.number}: ready at http://{f'[{host}]' if ':' in host else host}:{port}\n"
        f"  file      {served.path}\n"
        f"  provider  {served.detector.provider}, images of {served.detector.size} pixels\n"
        f"  conf      {at.conf:g}, iou {at.iou:g}, max_det {at.max_det}; override them per request: ?conf=0.5\n"
        f"  follows   {f'the alias {serving.alias}' if serving.alias else 'no alias: this version is fixed'}"
        + "".join(f"\n  OVERRIDE  its gates refused it; promoted {one_line(text)}" for text in served.overrides)
    )


def main(given: list[str] | None = None) -> int:
    """Serve until a signal ends the process; return the exit code."""
    wanted = _arguments(given)
    streams.print_all_letters()
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # its warnings are of clients' files
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        with bound(wanted.host, wanted.port) as listener:
            serving = opened(Path(wanted.model), wanted.version, target=wanted.target)
            hosts = Hosts(wanted.host, wanted.allowed_host)
            listen(listener, wanted.host)
            print(document(startup_message(serving, wanted.host, listener.getsockname()[1])), flush=True)
            with following(serving, every=wanted.poll):
                field = FieldFolder(Path(wanted.field)) if wanted.field else None
                run(service.app(serving, hosts, Limits(wanted.max_pixels), field=field), listener)
    except AutomlError as error:
        print(f"automl: {lines(*error.args)}", file=sys.stderr)
        return USER_ERROR
    return 0


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="automl serve")
    parser.add_argument("model")
    for option, default in (("--version", "champion"), ("--host", "127.0.0.1"), ("--target", ""), ("--field", "")):
        parser.add_argument(option, default=default)
    parser.add_argument("--port", default=8000, type=int)
    parser.add_argument("--poll", default=POLL_SECONDS, type=float)
    parser.add_argument("--max-pixels", default=MAX_PIXELS, type=int)
    parser.add_argument("--allowed-host", action="append", default=[])
    return parser.parse_args(given)


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
        loop="asyncio",  # not what else is installed: the deadlines are tested on this one
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
