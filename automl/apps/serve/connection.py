"""HTTP connection of the service: uvicorn's, with deadlines for head and body of a request (against Slowloris)."""

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS: Final = 10.0
"""In which request line and headers must be here, from the connection or the answer before."""
BODY_SECONDS: Final = 40.0
"""In which a body must be here, also one that was answered before its end; the service itself grants less."""


class Connection(H11Protocol):
    """A connection that is closed where a request stays incomplete."""

    _awaited: Any = None
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time of the first head."""
        super().connection_made(transport)
        self._set_deadline()

    def handle_events(self) -> None:
        """Handle what was received, and start the time of what is now awaited."""
        super().handle_events()
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the time."""
        self._stop()
        super().connection_lost(exc)

    def _set_deadline(self) -> None:
        if self.conn.their_state is self._awaited:
            return
        self._stop()
        self._awaited = self.conn.their_state
        seconds = {h11.IDLE: HEAD_SECONDS, h11.SEND_BODY: BODY_SECONDS}.get(self._awaited)
        if seconds is not None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
