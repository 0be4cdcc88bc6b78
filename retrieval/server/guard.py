"""What stands before every request: who asks, by which name, how much it sends; and what every answer says.

State is changed only by who has the write token, or, where none is set, by a request that carries a header of ours: a
page elsewhere can't send one without being asked for leave (CORS), which it does not get.
"""

from __future__ import annotations

import hmac
import logging
import time
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrieval.server.metrics import Metrics
from retrieval.server.problems import problem
from retrieval.server.settings import Served

log = logging.getLogger("nearkin.server")

COOKIE = "nearkin"
MARK = "x-nearkin"
"""The header that our page and our client send with what changes something."""
OPEN = frozenset({"/", "/healthz", "/readyz", "/v1/session", "/favicon.ico"})
"""Asked for without a token, and under `/static/`: nothing of the collection."""
ASKING = frozenset({"/v1/search", "/v1/uploads"})
"""Posts that change nothing."""
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


class TooMuch(Exception):
    """More was sent than is taken."""


class Guard:
    """An ASGI middleware."""

    def __init__(self, app: ASGIApp, served: Served, metrics: Metrics) -> None:
        self._app, self._served, self._metrics = app, served, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, told = time.perf_counter(), {"status": 500}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                told["status"] = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = self._refused(scope, Headers(scope=scope))
        try:
            if refused is not None:
                await refused(scope, receive, answer)
            else:
                await self._app(scope, self._measured(receive), answer)
        except TooMuch:
            await self._too_much()(scope, receive, answer)
        finally:
            self._metrics.noted(scope, told["status"], time.perf_counter() - started)

    def _refused(self, scope: Scope, headers: Headers) -> Any:
        """The answer to a request that goes no further; None: it may."""
        if hostname(headers.get("host", "")) not in self._served.names:
            return problem(421, "wrong-host", "Another name", f"this server is not {headers.get('host', '')!r}")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._served.max_upload:
            return self._too_much()
        path, method = scope["path"], scope["method"]
        if path in OPEN or path.startswith("/static/") or method == "OPTIONS":
            return None
        changes = method not in ("GET", "HEAD") and path not in ASKING
        if self._served.guarded:
            return self._without_token(headers, method, changes)
        if changes and MARK not in headers:
            return problem(403, "not-from-here", "Not from here", f"what changes something needs the header {MARK!r}")
        return None

    def _without_token(self, headers: Headers, method: str, changes: bool) -> Any:
        token = token_of(headers, method)
        writer = same(token, self._served.write_token)
        if writer or (not changes and same(token, self._served.read_token)):
            return None
        if same(token, self._served.read_token):
            return problem(403, "reads-only", "This token reads only", "what changes something needs the write token")
        needed = {"WWW-Authenticate": "Bearer"}
        return problem(401, "no-token", "A token is needed", "send Authorization: Bearer TOKEN", headers=needed)

    def _measured(self, receive: Receive) -> Receive:
        taken = 0

        async def measured() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._served.max_upload:
                raise TooMuch
            return message

        return measured

    def _too_much(self) -> Any:
        detail = f"a request may have {self._served.max_upload:,} bytes"
        return problem(413, "too-much", "Too much was sent", detail, headers={"Connection": "close"})


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
