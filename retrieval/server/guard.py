"""Checks before every request (who asks, by which host name, how much it sends, how slowly), and headers of every
response.

Only two kinds of request change anything: those with the write token or, where no token is set, those with a header of
ours. A page elsewhere can't send that header without leave (CORS), which it does not get. Nor may such a page make the
server store or compute anything: whatever a browser sends for it is refused.
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

from indexers.catalogue.lookup import limit_time
from retrieval.server.bodies import BUSY, Bodies, describe_limit
from retrieval.server.metrics import Metrics
from retrieval.server.prefix import find_route_path, locate, make_relative
from retrieval.server.problems import FAULT_DETAIL, answer_http_error, make_problem
from retrieval.server.responses import parse_number
from retrieval.server.settings import ServerSettings

log = logging.getLogger("nearkin.server")

COOKIE = "nearkin"
CLIENT_HEADER = "X-Nearkin"
"""The page and the client send this header with every request that changes something."""
PUBLIC_PATHS = frozenset({"", "/", "/docs", "/healthz", "/readyz", "/v1/session", "/favicon.ico"})
"""Need no token, like everything under `/static/`: they show nothing of the collection."""
READ_ONLY_POSTS = frozenset(
    (
        *("/v1/search", "/v1/search/many", "/v1/uploads", "/v1/duplicates/of", "/v1/duplicates/merges"),
        *("/v1/items/vectors", "/v1/around", "/v1/summary"),
    )
)
MAX_HEADER_BYTES = 16 * 2**10
"""The most bytes of all headers, and of a path."""
MAX_REQUESTS = 512
"""Requests that are answered or wait at once."""
FILTER_SECONDS = 10.0
"""Time in which the filters of a request must be answered."""
ENDING = make_problem(
    503,
    "ending",
    "The server is ending",
    "the server ended before it was done with this request; see whether it was carried out",
    headers={"Connection": "close"},
)
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
}


def is_read_only(method: str, path: str) -> bool:
    """Return True if such a request changes nothing."""
    return method in ("GET", "HEAD") or path in READ_ONLY_POSTS


class Guard:
    """An ASGI middleware."""

    def __init__(self, app: ASGIApp, settings: ServerSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._bodies, self._count = Bodies(settings), 0

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
        self._count += 1
        refusal = self._refuse(scope["method"], find_route_path(scope), headers, scope.get("query_string", b""))
        try:
            if refusal is not None:
                await refusal(scope, receive, send_with_headers)
            else:
                async with self._bodies.admit(headers, receive) as admitted:
                    with limit_time(FILTER_SECONDS):
                        await self._app(scope, admitted, send_with_headers)
        except asyncio.CancelledError:
            stopping = scope.get("state", {}).get("stopping")
            if status or stopping is None or not stopping.is_set():
                raise
            await ENDING(scope, receive, send_with_headers)
        except HTTPException as error:
            await answer_http_error(error)(scope, receive, send_with_headers)
        except Exception:
            if status:  # the response has begun: too late for a problem document
                raise
            log.exception("an error in the server")
            fault = make_problem(500, "fault", "An error in the server", FAULT_DETAIL)
            await fault(scope, receive, send_with_headers)
        finally:
            self._count -= 1
            self._metrics.record_request(scope, status, time.perf_counter() - started)

    def _refuse(self, method: str, path: str, headers: Headers, query: bytes) -> Response | None:
        """Return the response to a request that goes no further, None if it may."""
        if self._count > MAX_REQUESTS:
            return make_problem(503, "too-busy", "Too many requests", BUSY, headers={"Retry-After": "2"})
        size = sum(len(name) + len(value) for name, value in headers.raw)
        if size > MAX_HEADER_BYTES or len(path) > MAX_HEADER_BYTES:
            return make_problem(431, "long-headers", "Headers too long", "the path or the headers are too long")
        host = headers.get("host", "")
        if not self._settings.allows_host(strip_port(host)):
            detail = f"this server is not known as {host!r}; start it with --name to allow that"
            return make_problem(421, "wrong-host", "Unknown host", detail)
        refusal = self._refuse_caller(method, path, headers)
        if refusal is None and ("\0" in path or b"%00" in query):
            detail = "the path or the query holds the character NUL, which no text here has"
            return make_problem(422, "bad-request", "The request does not have the expected form", detail)
        length, limit = parse_number(headers.get("content-length", "0")), self._bodies.find_limit(headers)
        if refusal is None and (length is None or length > limit):
            close = {"Connection": "close"}
            return make_problem(413, "too-much", "Request too large", describe_limit(limit), headers=close)
        return refusal

    def _refuse_caller(self, method: str, path: str, headers: Headers) -> Response | None:
        if method == "OPTIONS":
            return None
        if (path.startswith("/v1/") or path == "/metrics") and is_from_elsewhere(headers, self._settings):
            detail = "another site's page has sent this; start the server with --origin to allow its pages"
            return make_problem(403, "from-elsewhere", "A request of another site's page", detail)
        if path in PUBLIC_PATHS or path.startswith("/static/"):
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


def is_from_elsewhere(headers: Headers, settings: ServerSettings) -> bool:
    """Return True for what a browser sends for a page of another site, which may not make this server do anything.

    Browsers tell so in Sec-Fetch-Site wherever a page can't be read on its way, and in Origin with every POST. Other
    programs send neither. Behind a proxy that speaks to this server by another name, the page's own name counts if it
    is among `hosts` and comes with our header, which a page elsewhere can't send.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and (origin in settings.origins or "*" in settings.origins):
        return False
    if site is not None:
        return site not in ("same-origin", "none")
    if origin is None:
        return False
    place = origin.partition("://")[2].lower()
    is_known = strip_port(place) in settings.hosts and CLIENT_HEADER in headers
    return not is_known and (not place or place != headers.get("host", "").lower())


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
