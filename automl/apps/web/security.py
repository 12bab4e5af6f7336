"""Access to the web page: a one-time token or a password gives a session cookie; Host and Origin are checked.

Every request and every websocket passes `Guard` before any page: without a session nothing but the sign-in is answered.
A token is exchanged once, so that a link in a history or a log opens nothing; the next one is then announced.
"""

import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automl.apps.serve.hosts import Hosts
from automl.apps.serve.refusal import RequestError
from automl.apps.web.sign_in import forward_page, sign_in_page

SESSION_SECONDS: Final = 7 * 24 * 3600.0
MOST_SESSIONS: Final = 1000
ATTEMPTS: Final = 5
"""Wrong passwords within ATTEMPT_SECONDS, after which none is checked: guessing is slow."""
ATTEMPT_SECONDS: Final = 60.0
LOGIN: Final = "/login"
LOGIN_BYTES: Final = 4096
TOKEN: Final = "token"
POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-src 'self'; frame-ancestors 'self'"
)
"""Nothing is loaded from, or sent to, another host. Vue compiles the templates of the pages, which takes eval."""
REPORT_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts allow-popups"
)
"""Of reports, which are files of the storage: their scripts run in an origin of their own, without the session."""
HEADERS: Final = {
    "content-security-policy": POLICY, "x-content-type-options": "nosniff", "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin", "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}  # fmt: skip


@dataclass(slots=True)
class Access:
    """Sessions, and what opens one."""

    password: str = field(default="", repr=False)
    """Empty: only the token opens a session."""
    announce: Callable[[str], None] = field(default=lambda _token: None)
    """Called with each new token."""
    clock: Callable[[], float] = time.monotonic
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    _sessions: dict[str, float] = field(default_factory=dict, repr=False)
    _wrong: deque[float] = field(default_factory=lambda: deque(maxlen=ATTEMPTS))

    def exchange(self, token: str) -> str | None:
        """Return a new session for the token, which is then another one; None for a wrong token.

        Wrong ones are not counted: 256 random bits need no limit, and a page of another site, whose browser may send
        such links, would otherwise keep the user out.
        """
        if not _same(token, self.token):
            return None
        self.token = secrets.token_urlsafe(32)
        self.announce(self.token)
        return self._opened()

    def sign_in(self, password: str) -> str | None:
        """Return a new session for the password; None for a wrong one, or if there is none."""
        return self._opened() if self.password and self._opens(password, self.password) else None

    def knows(self, session: str) -> bool:
        """Return True if a session was opened and has not expired."""
        since = self._sessions.get(session)
        return since is not None and self.clock() - since < SESSION_SECONDS

    def _opens(self, given: str, wanted: str) -> bool:
        now = self.clock()
        if len(self._wrong) == ATTEMPTS and now - self._wrong[0] < ATTEMPT_SECONDS:
            return False
        right = _same(given, wanted)
        if not right:
            self._wrong.append(now)
        return right

    def _opened(self) -> str:
        if len(self._sessions) >= MOST_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)))
        session = secrets.token_urlsafe(32)
        self._sessions[session] = self.clock()
        return session


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


class Guard:
    """ASGI middleware: Host, Origin and session of each request and websocket, and the headers of each response."""

    def __init__(self, app: ASGIApp, *, access: Access, hosts: Hosts, port: int) -> None:
        self._app, self._access, self._hosts = app, access, hosts
        self.cookie = f"automl-session-{port}"
        """Cookies of a host are shared by its ports."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http":
            await self._request(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            self._hosts.check(scope["method"], headers)
        except RequestError as error:
            await PlainTextResponse(error.law, status_code=error.code)(scope, receive, send)
            return
        if answer := await self._sign_in(scope, receive):
            await answer(scope, receive, send)
        elif self._access.knows(self._session(headers)):
            await self._app(scope, receive, send)
        else:
            page = sign_in_page(with_password=bool(self._access.password))
            await HTMLResponse(page, status_code=401)(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept a websocket with a session, from a page of this server: browsers send Origin with each."""
        headers = Headers(scope=scope)
        try:
            self._hosts.check("POST", headers)
            allowed = "origin" in headers and self._access.knows(self._session(headers))
        except RequestError:
            allowed = False
        if allowed:
            await self._app(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "no session, or of another site"})

    async def _sign_in(self, scope: Scope, receive: Receive) -> Response | None:
        """Return the answer to a token or a password; None for any other request."""
        query = QueryParams(scope["query_string"])
        if scope["method"] == "GET" and TOKEN in query:
            session = self._access.exchange(query[TOKEN])
            rest = urlencode([(key, value) for key, value in query.multi_items() if key != TOKEN])
            return self._answer(session, f"{quote(scope['path'])}{f'?{rest}' if rest else ''}")
        if scope["method"] == "POST" and scope["path"] == LOGIN:
            body = await _body(Request(scope, receive))
            password = parse_qs(body.decode("utf-8", "replace")).get("password", [""])[0]
            return self._answer(self._access.sign_in(password), "/")
        return None

    def _answer(self, session: str | None, path: str) -> Response:
        """Return a page that leads on and sets the cookie; by a redirect a Strict cookie would not be sent at once."""
        if session is None:
            page = sign_in_page(with_password=bool(self._access.password), wrong=True)
            return HTMLResponse(page, status_code=401)
        answer = HTMLResponse(forward_page("/" + path.lstrip("/\\")), headers={"cache-control": "no-store"})
        answer.set_cookie(self.cookie, session, max_age=int(SESSION_SECONDS), httponly=True, samesite="strict")
        return answer

    def _session(self, headers: Headers) -> str:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return ""
        return found.value if found else ""


async def _body(request: Request) -> bytes:
    """Return a small body; what is beyond it is not read."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LOGIN_BYTES:
            return b""
    return body


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
