"""Checks before every request (who asks, by which host name, how much it sends, how slowly), and headers of every
response.

Only two kinds of request change anything: those with the write token or, where no token is set, those with a header of
ours. A page elsewhere can't send that header without leave (CORS), which it does not get.
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
from retrieval.server.prefix import find_route_path, locate, make_relative
from retrieval.server.problems import FAULT_DETAIL, make_problem
from retrieval.server.responses import parse_number
from retrieval.server.settings import ServerSettings

log = logging.getLogger("nearkin.server")

COOKIE = "nearkin"
CLIENT_HEADER = "X-Nearkin"
"""The page and the client send this header with every request that changes something."""
PUBLIC_PATHS = frozenset({"", "/", "/docs", "/healthz", "/readyz", "/v1/session", "/favicon.ico"})
"""Need no token, like everything under `/static/`: they show nothing of the collection."""
READ_ONLY_POSTS = frozenset({"/v1/search", "/v1/search/many", "/v1/uploads", "/v1/duplicates/of", "/v1/items/vectors"})
MAX_PLAIN_BODY = 4 * 2**20
"""The most bytes of a body without pictures."""
MAX_HEADER_BYTES = 16 * 2**10
"""The most bytes of all headers, and of a path."""
MIN_BODY_RATE = 16 * 2**10
"""Bytes a second: each adds to the time that a body may take, beside `ServerSettings.body_seconds`."""
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
}


def is_read_only(method: str, path: str) -> bool:
    """Return True if such a request changes nothing."""
    return method in ("GET", "HEAD") or path in READ_ONLY_POSTS


class Guard:
    """An ASGI middleware."""

    def __init__(self, app: ASGIApp, settings: ServerSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope, started, status = locate(scope, self._settings.root_path), time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if "location" in headers:
                    headers["location"] = make_relative(headers["location"], scope["path"])
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._refuse(scope["method"], find_route_path(scope), headers)
        try:
            if refusal is not None:
                await refusal(scope, receive, send_with_headers)
            else:
                limited = self._limit_body(receive, self._find_body_limit(headers))
                await self._app(scope, limited, send_with_headers)
        except Exception:
            if status:  # the response has begun: too late for a problem document
                raise
            log.exception("an error in the server")
            fault = make_problem(500, "fault", "An error in the server", FAULT_DETAIL)
            await fault(scope, receive, send_with_headers)
        finally:
            self._metrics.record_request(scope, status, time.perf_counter() - started)

    def _find_body_limit(self, headers: Headers) -> int:
        """Return the most bytes that the body may have."""
        has_pictures = headers.get("content-type", "").lower().startswith("multipart/")
        return self._settings.max_upload if has_pictures else min(MAX_PLAIN_BODY, self._settings.max_upload)

    def _refuse(self, method: str, path: str, headers: Headers) -> Response | None:
        """Return the response to a request that goes no further, None if it may."""
        size = sum(len(name) + len(value) for name, value in headers.raw)
        if size > MAX_HEADER_BYTES or len(path) > MAX_HEADER_BYTES:
            return make_problem(431, "long-headers", "Headers too long", "the path or the headers are too long")
        host = headers.get("host", "")
        if not self._settings.allows_host(strip_port(host)):
            detail = f"this server is not known as {host!r}; start it with --name to allow that"
            return make_problem(421, "wrong-host", "Unknown host", detail)
        refusal = self._refuse_caller(method, path, headers)
        length, limit = parse_number(headers.get("content-length", "0")), self._find_body_limit(headers)
        if refusal is None and (length is None or length > limit):
            close = {"Connection": "close"}
            return make_problem(413, "too-much", "Request too large", _describe_limit(limit), headers=close)
        return refusal

    def _refuse_caller(self, method: str, path: str, headers: Headers) -> Response | None:
        if path in PUBLIC_PATHS or path.startswith("/static/") or method == "OPTIONS":
            return None
        if self._settings.has_tokens:
            return self._check_token(headers, method, path)
        if is_read_only(method, path) or CLIENT_HEADER in headers:
            return None
        detail = f"a request that changes something needs the header {CLIENT_HEADER}, with any value"
        return make_problem(403, "not-from-here", f"Missing {CLIENT_HEADER} header", detail)

    def _check_token(self, headers: Headers, method: str, path: str) -> Response | None:
        token = find_token(headers, method)
        may_read = matches_token(token, self._settings.read_token)
        if matches_token(token, self._settings.write_token) or (may_read and is_read_only(method, path)):
            return None
        if may_read:
            detail = "a request that changes something needs the write token"
            return make_problem(403, "reads-only", "This token only allows reading", detail)
        challenge = {"WWW-Authenticate": "Bearer"}
        return make_problem(401, "no-token", "A token is needed", "send Authorization: Bearer TOKEN", headers=challenge)

    def _limit_body(self, receive: Receive, limit: int) -> Receive:
        """Return a receiver that raises HTTPException for a body that is too long or too slow; the app answers it."""
        received, complete, started = 0, False, time.monotonic()

        async def receive_limited() -> Message:
            nonlocal received, complete
            if complete:  # the next message says that the caller disconnects
                return await receive()
            left = started + self._settings.body_seconds + received / MIN_BODY_RATE - time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), max(left, 0))
            except TimeoutError:
                raise HTTPException(408, "the request came too slowly", {"Connection": "close"}) from None
            received, complete = received + len(message.get("body", b"")), not message.get("more_body", False)
            if received > limit:
                raise HTTPException(413, _describe_limit(limit), {"Connection": "close"})
            return message

        return receive_limited


def _describe_limit(limit: int) -> str:
    return f"such a request may have at most {limit:,} bytes"


def strip_port(host: str) -> str:
    """Return the host name of a Host header, in lower case."""
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0].lower()


def matches_token(token: str, expected: str | None) -> bool:
    """Compare tokens in constant time; nothing matches a token that is not set."""
    return expected is not None and hmac.compare_digest(token.encode("utf-8", "replace"), expected.encode())


def find_token(headers: Headers, method: str) -> str:
    """Return the token of a request, empty without one. A cookie's token counts only for requests that change
    nothing, since a browser sends cookies along with requests of other pages too."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token
    return read_cookie(headers) if method in ("GET", "HEAD") else ""


def read_cookie(headers: Headers) -> str:
    """Return the token in the session cookie, empty without one."""
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""
