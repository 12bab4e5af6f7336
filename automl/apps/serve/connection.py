"""HTTP connection of the service: uvicorn's, with timeouts for head and body of a request (against Slowloris)."""

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS: Final = 10.0
"""Timeout of request line and headers, from the connection or the previous response."""
BODY_SECONDS: Final = 40.0
"""Timeout of a body, also after an early response; above the service's own timeout, which sends a response."""


class Connection(H11Protocol):
    """A connection that is closed when a request stays incomplete."""

    _awaited: Any = None
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout of the first head."""
        super().connection_made(transport)
        self._set_deadline()

    def handle_events(self) -> None:
        """Handle received data, and start the timeout of the part expected next."""
        super().handle_events()
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timeout."""
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
