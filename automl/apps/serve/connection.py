"""HTTP connection of the service: uvicorn's, with deadlines; silent clients (Slowloris) cannot use up connections."""

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS: Final = 10.0
"""Timeout of request line and headers, from the connection or the previous response."""
BODY_SECONDS: Final = 40.0
"""Timeout of a body, also after an early response; above the service's own timeout, which sends a response."""
ANSWER_SECONDS: Final = 60.0
"""Timeout of a response, from the complete request until the client has read it."""
MOST_CONNECTIONS: Final = 128
"""Open connections; one more closes the one whose request has been incomplete for longest."""
GRACE_SECONDS: Final = 0.5
"""Time that a new connection has for its request, however many others are opened at once."""
MOST_AT_ONCE: Final = 512
"""Open connections, those within GRACE_SECONDS included; half of the usual limit of open files."""
INCOMPLETE: Final[Any] = (h11.IDLE, h11.SEND_BODY)
"""States of a client: head awaited, body awaited."""
COMPLETE: Final[Any] = (h11.DONE, h11.MUST_CLOSE, h11.CLOSED)
"""States of a client whose response is awaited: another request may follow, none will, it has closed its side."""


FREE_CHUNKS: Final = 1000
MIN_CHUNK_BYTES: Final = 256
"""Least average length of the chunks of a body, after the first 1,000: each takes 30 us of the one event loop."""


class Messages(h11.Connection):
    """HTTP parser that rejects a body in many small chunks."""

    _chunks: int = 0
    _bytes: int = 0

    def next_event(self) -> Any:  # noqa: ANN401
        """Return the next event of a client.

        Raises:
            RemoteProtocolError: the request is malformed, or its chunks are too small.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = self._bytes = 0
        elif isinstance(event, h11.Data):
            self._chunks, self._bytes = self._chunks + event.chunk_end, self._bytes + len(event.data)
            if self._chunks > FREE_CHUNKS and self._bytes < self._chunks * MIN_CHUNK_BYTES:
                raise h11.RemoteProtocolError(f"chunks must have {MIN_CHUNK_BYTES} bytes on average")
        return event


class Connection(H11Protocol):
    """A connection that is closed when a request stays incomplete, or a response unread."""

    awaited: Any = None
    since: float = 0.0
    """Event loop's time from which the part `awaited` has been awaited."""
    _deadline: asyncio.TimerHandle | None = None

    def __init__(self, *given: Any, **named: Any) -> None:  # noqa: ANN401
        super().__init__(*given, **named)
        self.conn = Messages(h11.SERVER)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout of the first head."""
        super().connection_made(transport)
        self._set_deadline()
        if len(self.connections) > MOST_CONNECTIONS:
            self._close_oldest(len(self.connections) - MOST_CONNECTIONS)

    def handle_events(self) -> None:
        """Handle received data, and start the timeout of the part expected next."""
        super().handle_events()
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timeout."""
        self._stop()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer a malformed request, unless its answer has begun, and close the connection."""
        if self.cycle is not None:
            self.cycle.disconnected = True  # what the service would send is no longer sent
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def _set_deadline(self) -> None:
        if self.conn.their_state is self.awaited:
            return
        self._stop()
        self.awaited, self.since = self.conn.their_state, self.loop.time()
        timeouts = {h11.IDLE: HEAD_SECONDS, h11.SEND_BODY: BODY_SECONDS, **dict.fromkeys(COMPLETE, ANSWER_SECONDS)}
        seconds = timeouts.get(self.awaited)
        if seconds is not None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _close_oldest(self, most: int) -> None:
        """Close connections that have sent no complete request for longest; a request that runs is not cut."""
        silent = [one for one in self.connections if isinstance(one, Connection) and one.awaited in INCOMPLETE]
        for oldest in sorted(silent, key=lambda one: one.since)[:most]:
            if self.since - oldest.since < GRACE_SECONDS and len(self.connections) <= MOST_AT_ONCE:
                break
            self.connections.discard(oldest)  # at once: several may be opened before the loop tells of one that is lost
            oldest.transport.abort()

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
