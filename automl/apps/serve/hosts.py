"""Host and Origin of a request: names under which the service answers, against DNS rebinding and cross-site posts.

A page of another site can resolve its own name to this machine, and then reads the answers: its name is in the Host
header. An IP address in the Host header cannot be such a name, so every address is answered.
"""

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from automl.apps.serve.refusal import RequestError

ANY: Final = "*"
"""Allows every name."""
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Hosts:
    """Names and addresses that a request may be sent to."""

    def __init__(self, bound: str = "127.0.0.1", allowed: Iterable[str] = ()) -> None:
        """Allow localhost, the bound name, the names given and, where others reach it, this machine's own name."""
        self._asked = frozenset(_plain(name) for name in allowed)
        own = () if _is_loopback(bound) else (socket.gethostname(),)
        self._names = self._asked | {"localhost", *map(_plain, (bound, *own))}

    def check(self, method: str, headers: Mapping[str, str]) -> None:
        """Reject a request to another name (421), or a post from a page of another site (403).

        Raises:
            RequestError: Host or Origin is not allowed.
        """
        host, origin = headers.get("host", "localhost"), headers.get("origin")
        if not self._answers(_name(host)):
            law = f"Host must be an address or a name of this server, but got {host[:100]!r}"
            raise RequestError(421, f"{law}; allow a name with --allowed-host")
        if origin is not None and method not in READING and not self._same(origin, host):
            law = f"Origin must be this server, but got {origin[:100]!r}"
            raise RequestError(403, f"{law}; allow its name with --allowed-host")

    def _answers(self, name: str) -> bool:
        return ANY in self._names or name in self._names or _is_address(name)

    def _same(self, origin: str, host: str) -> bool:
        sender = origin.partition("://")[2].lower()
        return sender == host.lower() or ANY in self._asked or _name(sender) in self._asked


class Guarded:
    """ASGI middleware that answers only requests which `Hosts` allows."""

    def __init__(self, app: ASGIApp, *, hosts: Hosts) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "http":
            try:
                self._hosts.check(scope["method"], Headers(scope=scope))
            except RequestError as error:
                await JSONResponse({"detail": error.law}, status_code=error.code)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _name(host: str) -> str:
    """Return the name or address in a Host header, without its port.

    >>> _name("Example.org:8000"), _name("[::1]:8000"), _name("[")
    ('example.org', '::1', '')
    """
    try:
        return _plain(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return ""


def _plain(name: str) -> str:
    return name.strip("[]").lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return name == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)
