"""A port for a server that a test starts in another process, which cannot tell a port of its own choice."""

import random
import socket

PORTS = range(20_000, 32_768)
"""Below the range from which Linux gives ports by itself (32768 to 60999), above that of the workers of `ray start`.

A port of the kernel's range that is closed again may be another process's by the time a server has started.
"""
_GIVEN: set[int] = set()


def free_port() -> int:
    """Return a port at which nothing listens, a new one at each call of a process."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        if port not in _GIVEN:
            _GIVEN.add(port)
            return port
