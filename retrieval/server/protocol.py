"""HTTP/1.1 as uvicorn speaks it, with a time limit for headers and a problem document for what is no HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from retrieval.server.problems import make_problem

HEADER_SECONDS = 15.0
"""Time in which a request's headers must arrive."""
ARRIVAL_SECONDS = 2.0
"""Time in which the rest of a request must arrive when the server ends."""


class TimeoutProtocol(H11Protocol):
    """A connection. Headers that are too long are refused by h11, or by the guard where they come at once."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the time limit of the first request."""
        super().connection_made(transport)
        self._update_timer()

    def data_received(self, data: bytes) -> None:
        """Parse data, and start or stop the time limit."""
        super().data_received(data)
        self._update_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limit."""
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()

    def shutdown(self) -> None:
        """End streams of events too, and soon what goes on arriving, when the server ends."""
        stop = self.app_state.get("stop")
        if stop is not None:
            stop()
        super().shutdown()
        self.loop.call_later(ARRIVAL_SECONDS, self._close_if_arriving)

    def _close_if_arriving(self) -> None:
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.close()

    @property
    def _awaits_headers(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _update_timer(self) -> None:
        if not self._awaits_headers and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        elif self._awaits_headers and self._timer is None:
            self._timer = self.loop.call_later(HEADER_SECONDS, self._close_if_late)

    def _close_if_late(self) -> None:
        self._timer = None
        if self._awaits_headers:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer what h11 can't parse, and close the connection."""
        response = make_problem(400, "not-http", "Not HTTP", "the request is not HTTP, or its headers are too long")
        headers = [*response.raw_headers, (b"connection", b"close")]
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=bytes(response.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
