"""The bodies of requests: how many bytes they may have, how slowly they may come, how many are held at once.

A body without pictures is read whole before anything looks at it: a slow one occupies nothing but its bytes, and its
values can be counted. JSON takes up to fifty times its size once it is parsed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import Message, Receive

from retrieval.server.settings import ServerSettings

MAX_PLAIN_BODY = 4 * 2**20
"""The most bytes of a body without pictures."""
MAX_VALUES, LIST_WEIGHT = 1_000_000, 5
"""The most values that a body without pictures may consist of; a list or an object counts as so many."""
LARGE, MAX_LARGE = 2_000, 2
"""Values from which on a body is large; how many of those are worked on at once."""
MIN_BODY_RATE = 16 * 2**10
"""Bytes a second: each adds to the time that a body may take, beside `ServerSettings.body_seconds`."""
MAX_PLAIN_BYTES, MAX_PICTURE_BYTES = 32 * 2**20, 256 * 2**20
"""The most bytes of all bodies at once, without pictures and with them (those lie on the disk)."""
WAIT_SECONDS = 10.0
"""Time that a large body waits for its turn."""
BUSY = "so many requests are being received that no more fit; try again later"


class Bodies:
    """The bodies of all requests to one app."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._held = {False: 0, True: 0}  # bytes of bodies without pictures, and with them
        self._large = asyncio.Semaphore(MAX_LARGE)

    def find_limit(self, headers: Headers) -> int:
        """Return the most bytes that the body may have."""
        most = self._settings.max_upload
        return most if has_pictures(headers) else min(MAX_PLAIN_BODY, most)

    @asynccontextmanager
    async def admit(self, headers: Headers, receive: Receive) -> AsyncIterator[Receive]:
        """Yield a receiver of a body for as long as the request is worked on.

        Raises HTTPException, here or in the receiver, for a body that is too long, too slow, or one too many.
        """
        pictures, taken = has_pictures(headers), 0
        limit, started, complete = self.find_limit(headers), time.monotonic(), False

        async def receive_limited() -> Message:
            nonlocal taken, complete
            if complete:  # the next message says that the caller disconnects
                return await receive()
            left = started + self._settings.body_seconds + taken / MIN_BODY_RATE - time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), max(left, 0))
            except TimeoutError:
                raise HTTPException(408, "the request came too slowly", {"Connection": "close"}) from None
            size, complete = len(message.get("body", b"")), not message.get("more_body", False)
            taken, self._held[pictures] = taken + size, self._held[pictures] + size
            if taken > limit:
                raise HTTPException(413, describe_limit(limit), {"Connection": "close"})
            if self._held[pictures] > (MAX_PICTURE_BYTES if pictures else MAX_PLAIN_BYTES):
                raise HTTPException(503, BUSY, {"Connection": "close", "Retry-After": "2"})
            return message

        try:
            if pictures or not _has_body(headers):
                yield receive_limited
                return
            body, count = await _read_whole(receive_limited)
            if count <= LARGE:
                yield _replay(body, receive)
                return
            try:
                await asyncio.wait_for(self._large.acquire(), WAIT_SECONDS)
            except TimeoutError:
                raise HTTPException(503, BUSY, {"Retry-After": "2"}) from None
            try:
                yield _replay(body, receive)
            finally:
                self._large.release()
        finally:
            self._held[pictures] -= taken


def has_pictures(headers: Headers) -> bool:
    """Return True for a body that consists of files."""
    return headers.get("content-type", "").lower().startswith("multipart/")


def describe_limit(limit: int) -> str:
    """Return the sentence for a body that is too long."""
    return f"such a request may have at most {limit:,} bytes"


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


async def _read_whole(receive: Receive) -> tuple[bytes, int]:
    """Return a body, and about how many values it has. Raises HTTPException if these are too many."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    body = b"".join(parts)
    count = body.count(b",") + body.count(b"&") + LIST_WEIGHT * (body.count(b"[") + body.count(b"{"))
    if count > MAX_VALUES:
        raise HTTPException(413, f"such a request may have at most {MAX_VALUES:,} values")
    return body, count


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a receiver that gives a whole body, and then what comes."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    return receive_again
