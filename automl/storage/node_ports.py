"""Ports of a machine and of others, as far as this machine reaches them."""

import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

SECONDS: Final = 3.0
"""A port that does not answer for so long is closed or filtered."""
AT_ONCE: Final = 64


def unreachable(addresses: Sequence[str]) -> Iterable[str]:
    """Return the addresses `host:port` at which nothing answers, with the reason.

    >>> with socket.create_server(("127.0.0.1", 0)) as open_one:
    ...     list(unreachable([f"127.0.0.1:{open_one.getsockname()[1]}"]))
    []
    """
    with ThreadPoolExecutor(min(AT_ONCE, len(addresses)) or 1) as pool:
        found = list(pool.map(_problem, addresses))
    return [f"{address} ({problem})" for address, problem in zip(addresses, found, strict=True) if problem]


def own_problem() -> str:
    """Return why this machine cannot reach a port of its own by the address of its name, empty if it can.

    Ray's processes of one machine talk to each other by that address.
    """
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
        with socket.create_server((address, 0)) as server:
            return _problem(f"{address}:{server.getsockname()[1]}")
    except OSError as error:
        return f"{name}: {error.strerror or error}"


def _problem(address: str) -> str:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS).close()
    except OSError as error:
        return str(error.strerror or error)
    return ""
