"""What stands before every request: who asks, by which name, how much it sends, how slowly; and what every answer says.

State is changed only by who has the write token, or, where none is set, by a request that carries a header of ours: a
page elsewhere can't send one without being asked for leave (CORS), which it does not get.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from http.cookies import CookieError, SimpleCookie

from fastapi import HTTPException, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrieval.server.metrics import Metrics
from retrieval.server.problems import FAULT, problem
from retrieval.server.responses import number
from retrieval.server.settings import Served

log = logging.getLogger("nearkin.server")

COOKIE = "nearkin"
MARK = "X-Nearkin"
"""The header that our page and our client send with what changes something."""
OPEN = frozenset({"/", "/healthz", "/readyz", "/v1/session", "/favicon.ico"})
"""Asked for without a token, and under `/static/`: nothing of the collection."""
ASKING = frozenset({"/v1/search", "/v1/uploads"})
"""Posts that change nothing."""
PLAIN = 4 * 2**20
"""Bytes of a body that holds no picture."""
LONG = 16 * 2**10
"""Bytes of headers, and of an address, at most."""
RATE = 16 * 2**10
"""Bytes a second that a body must come with, after the patience that each has."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
}


def asks(method: str, path: str) -> bool:
    """The request changes nothing."""
    return method in ("GET", "HEAD") or path in ASKING


class Guard:
    """An ASGI middleware."""

    def __init__(self, app: ASGIApp, served: Served, metrics: Metrics) -> None:
        self._app, self._served, self._metrics = app, served, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        refused = self._refused(scope["method"], scope["path"], headers)
        try:
            if refused is not None:
                await refused(scope, receive, answer)
            else:
                await self._app(scope, self._measured(receive, self._most(headers)), answer)
        except Exception:
            if status:  # too late to say so
                raise
            log.exception("a fault while answering")
            await problem(500, "fault", "A fault of the server's", FAULT)(scope, receive, answer)
        finally:
            self._metrics.noted(scope, status, time.perf_counter() - started)

    def _most(self, headers: Headers) -> int:
        """Bytes that the body may have."""
        pictures = headers.get("content-type", "").lower().startswith("multipart/")
        return self._served.max_upload if pictures else min(PLAIN, self._served.max_upload)

    def _refused(self, method: str, path: str, headers: Headers) -> Response | None:
        """The answer to a request that goes no further; None: it may."""
        if sum(len(name) + len(value) for name, value in headers.raw) > LONG or len(path) > LONG:
            return problem(431, "long-headers", "Too long", "the address or the headers are too long")
        if not self._served.knows(hostname(headers.get("host", ""))):
            return problem(421, "wrong-host", "Another name", f"this server is not {headers.get('host', '')!r}")
        if path in OPEN or path.startswith("/static/") or method == "OPTIONS":
            stranger = None
        elif self._served.guarded:
            stranger = self._without_token(headers, method, path)
        elif not asks(method, path) and MARK not in headers:
            needed = f"what changes something needs the header {MARK}"
            stranger = problem(403, "not-from-here", "Not from here", needed)
        else:
            stranger = None
        length, most = number(headers.get("content-length", "0")), self._most(headers)
        if stranger is None and (length is None or length > most):
            return problem(413, "too-much", "Too much was sent", _too_much(most), headers={"Connection": "close"})
        return stranger

    def _without_token(self, headers: Headers, method: str, path: str) -> Response | None:
        token = token_of(headers, method)
        reader = same(token, self._served.read_token)
        if same(token, self._served.write_token) or (reader and asks(method, path)):
            return None
        if reader:
            return problem(403, "reads-only", "This token reads only", "what changes something needs the write token")
        needed = {"WWW-Authenticate": "Bearer"}
        return problem(401, "no-token", "A token is needed", "send Authorization: Bearer TOKEN", headers=needed)

    def _measured(self, receive: Receive, most: int) -> Receive:
        """The body, which may be neither too long nor too slow. What it raises, the app makes an answer of."""
        taken, whole, started = 0, False, time.monotonic()

        async def measured() -> Message:
            nonlocal taken, whole
            if whole:  # what comes now is that the caller goes
                return await receive()
            left = started + self._served.patience + taken / RATE - time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), max(left, 0))
            except TimeoutError:
                raise HTTPException(408, "the request came too slowly", {"Connection": "close"}) from None
            taken, whole = taken + len(message.get("body", b"")), not message.get("more_body", False)
            if taken > most:
                raise HTTPException(413, _too_much(most), {"Connection": "close"})
            return message

        return measured


def _too_much(most: int) -> str:
    return f"such a request may have {most:,} bytes"


def hostname(host: str) -> str:
    """Without the port."""
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0].lower()


def same(token: str, wanted: str | None) -> bool:
    return wanted is not None and hmac.compare_digest(token.encode("utf-8", "replace"), wanted.encode())


def token_of(headers: Headers, method: str) -> str:
    """The token of a request; a cookie's counts for what changes nothing only."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token
    return cookie(headers) if method in ("GET", "HEAD") else ""


def cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
