"""HTTP/1.1 as uvicorn speaks it, but for those who are slow with their headers, or speak something else."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from retrieval.server.problems import problem

HEADERS = 15.0
"""Seconds in which a request's headers must be there."""


class Patient(H11Protocol):
    """Headers that are too long are refused by h11, or by the guard where they come at once."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._late is not None:
            self._late.cancel()

    def shutdown(self) -> None:
        """The server ends: streams of events end too."""
        leaving = self.app_state.get("leaving")
        if leaving is not None:
            leaving.set()
        super().shutdown()

    @property
    def _waits(self) -> bool:
        """For the headers of a request."""
        return self.cycle is None or self.cycle.response_complete

    def _expect(self) -> None:
        if not self._waits and self._late is not None:
            self._late.cancel()
            self._late = None
        elif self._waits and self._late is None:
            self._late = self.loop.call_later(HEADERS, self._give_up)

    def _give_up(self) -> None:
        self._late = None
        if self._waits:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        answer = problem(400, "not-http", "This is no HTTP", "the request is no HTTP, or its headers are too long")
        headers = [*answer.raw_headers, (b"connection", b"close")]
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
