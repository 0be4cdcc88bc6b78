"""Bodies of requests: bounded in bytes, in values, and all together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from retrieval import Collection
from retrieval.server import bodies
from retrieval.server.bodies import Bodies, has_pictures
from retrieval.server.settings import ServerSettings
from tests.support.serving import CLIENT_HEADERS, make_png, open_client

PLAIN, FORM = Headers({"content-length": "9"}), Headers({"content-type": "multipart/form-data; boundary=x"})


def send(*parts: bytes) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Return a receiver that gives these parts of a body, and then waits for ever."""
    pending = [
        {"type": "http.request", "body": part, "more_body": place < len(parts)} for place, part in enumerate(parts, 1)
    ]

    async def receive() -> dict[str, Any]:
        if not pending:
            await asyncio.Event().wait()
        return pending.pop(0)

    return receive


async def read(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            return body


async def admit(all_bodies: Bodies, headers: Headers, *parts: bytes) -> bytes:
    async with all_bodies.admit(headers, send(*parts)) as receive:
        return await read(receive)


@pytest.mark.parametrize("headers", [PLAIN, FORM])
def test_a_body_arrives_as_it_was_sent_and_is_let_go(headers: Headers) -> None:
    all_bodies = Bodies(ServerSettings())
    assert asyncio.run(admit(all_bodies, headers, b"ab", b"", b"c")) == b"abc"
    assert has_pictures(headers) == (headers is FORM)
    assert set(all_bodies._held.values()) == {0}


@pytest.mark.parametrize(
    ("headers", "settings", "parts", "status"),
    [
        (PLAIN, {"max_upload": 3}, (b"ab", b"cd"), 413),
        (FORM, {"max_upload": 3}, (b"ab", b"cd"), 413),
        (PLAIN, {}, (b"[1,2," * (bodies.MAX_VALUES // 6),), 413),
        (PLAIN, {"body_seconds": 0.01}, (), 408),
        (FORM, {"body_seconds": 0.01}, (), 408),
    ],
)
def test_what_is_too_much_or_too_slow_is_refused(
    headers: Headers, settings: dict[str, Any], parts: tuple[bytes, ...], status: int
) -> None:
    all_bodies = Bodies(ServerSettings(**settings))
    with pytest.raises(HTTPException) as caught:
        asyncio.run(admit(all_bodies, headers, *parts))
    assert caught.value.status_code == status
    assert set(all_bodies._held.values()) == {0}


@pytest.mark.parametrize("headers", [PLAIN, FORM])
def test_all_bodies_together_are_bounded(monkeypatch: pytest.MonkeyPatch, headers: Headers) -> None:
    monkeypatch.setattr(bodies, "MAX_PLAIN_BYTES", 10)
    monkeypatch.setattr(bodies, "MAX_PICTURE_BYTES", 10)

    async def run() -> None:
        all_bodies, ready, end = Bodies(ServerSettings()), asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            async with all_bodies.admit(headers, send(b"123456")) as receive:
                await read(receive)
                ready.set()
                await end.wait()

        task = asyncio.create_task(hold())
        await ready.wait()
        with pytest.raises(HTTPException) as caught:
            await admit(all_bodies, headers, b"12345")
        assert caught.value.status_code == 503
        assert await admit(all_bodies, headers, b"1234") == b"1234"
        end.set()
        await task
        assert await admit(all_bodies, headers, b"1234567890") == b"1234567890"

    asyncio.run(run())


def test_few_large_bodies_are_worked_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WAIT_SECONDS", 0.01)
    large = b"[" + b"1," * bodies.LARGE + b"1]"

    async def run() -> None:
        all_bodies = Bodies(ServerSettings())
        async with all_bodies.admit(PLAIN, send(large)), all_bodies.admit(PLAIN, send(large)):
            with pytest.raises(HTTPException) as caught:
                await admit(all_bodies, PLAIN, large)
            assert caught.value.status_code == 503
            assert await admit(all_bodies, PLAIN, b"[1,2]") == b"[1,2]"
        assert await admit(all_bodies, PLAIN, large) == large

    asyncio.run(run())


def test_the_server_says_so_in_problem_documents(discs: Collection) -> None:
    with open_client(discs) as client:
        answer = client.post("/v1/search", content=b'{"within": [' + b"1," * 1_000_000 + b"1]}")
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:nearkin:too-much")
        assert "1,000,000 values" in answer.json()["detail"]
        assert client.post("/v1/search", json={"item": 1, "k": 1}).status_code == 200
        answer = client.post(
            "/v1/search", content=iter([b'{"item"', b": 1}"]), headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 200


def test_uploads_are_read_as_before(discs_client: TestClient) -> None:
    files = {"picture": ("a.png", make_png("red"))}
    assert discs_client.post("/v1/uploads", files=files, headers=CLIENT_HEADERS).status_code == 201
