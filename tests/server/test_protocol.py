"""Over a real connection: what is no HTTP, headers that don't come, bodies that trickle."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from retrieval import Collection
from retrieval.server import protocol
from tests.support.serving import exchange, listen_in_thread

HOST, JSON_LINE = b"Host: localhost\r\n", b"Content-Type: application/json\r\n"
MALFORMED = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
    "long headers": b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"X%d: 1\r\n" % n for n in range(9000)) + b"\r\n",
    "long address": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "two lengths": b"POST /v1/search HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a length below zero": b"POST /v1/search HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
    "a header in a header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rSet-Cookie: b\r\n\r\n",
    "a name with a space": b"GET / HTTP/1.1\r\n" + HOST + b"X Y: a\r\n\r\n",
    "bad chunks": b"POST /v1/search HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
}
SLOW = b"POST /v1/search HTTP/1.1\r\n" + HOST + JSON_LINE + b"Content-Length: 500\r\n\r\n"


@pytest.fixture(scope="module")
def url(discs: Collection) -> Iterator[str]:
    with listen_in_thread(discs) as url:
        yield url


@pytest.fixture(scope="module")
def impatient(discs: Collection) -> Iterator[str]:
    """A server that waits half a second for headers and for bodies."""
    with pytest.MonkeyPatch.context() as patch, listen_in_thread(discs, body_seconds=0.5) as url:
        patch.setattr(protocol, "HEADER_SECONDS", 0.5)
        yield url


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_no_request_is_answered_as_one_that_is_wrong(url: str, kind: str) -> None:
    response = exchange(url, MALFORMED[kind] + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert response.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404", b"HTTP/1.1 421", b"HTTP/1.1 431")), response[:200]
    assert b"application/problem+json" in response
    assert b"Set-Cookie" not in response


def test_answers_hold_no_headers_of_the_askers(url: str) -> None:
    for path in ("/v1/items/1%0d%0aSet-Cookie:%20a=b", "/v1/item?key=a%0d%0aSet-Cookie:%20a=b", "/static/a%0d%0ab"):
        response = exchange(url, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert response.startswith(b"HTTP/1.1 4")
        assert b"\r\nset-cookie" not in response.lower()


def test_it_still_answers(url: str) -> None:
    response = exchange(url, b"GET /v1/count HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 200")
    assert response.endswith(b'{"count":5}')


def test_slow_bodies_are_given_up(impatient: str) -> None:
    started = time.monotonic()
    response = exchange(impatient, SLOW, *[b" "] * 100, pause=0.05)
    assert response.startswith(b"HTTP/1.1 408")
    assert b"application/problem+json" in response
    assert time.monotonic() - started < 10


def test_slow_headers_are_given_up(impatient: str) -> None:
    started = time.monotonic()
    assert exchange(impatient, b"", pause=0.01) == b""
    assert exchange(impatient, b"GET / HT") == b""
    assert exchange(impatient, *[b"GET / HTTP/1.1\r\n", *[b"X: a\r\n"] * 100], pause=0.05) == b""
    assert time.monotonic() - started < 10
    quick = exchange(impatient, b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert quick.startswith(b"HTTP/1.1 200")
