"""Two hundred requests that nobody means well: each is refused with a problem document, and nothing beyond the
collection is read or written."""

from __future__ import annotations

import http.server
import io
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image
from starlette.testclient import TestClient

from retrieval import Collection
from retrieval.server import protocol
from tests.support import hostile
from tests.support.serving import CLIENT_HEADERS, READ, WRITE, ServerProcess, listen_in_thread, make_png, open_client

SECRET = b"the canary that nobody may read"
TRAVERSALS = (
    "../canary.txt",
    "../../canary.txt",
    "..%2f..%2fcanary.txt",
    "%2e%2e/%2e%2e/canary.txt",
    "..\\..\\canary.txt",
    "/etc/passwd",
    "file:///etc/passwd",
    "....//....//canary.txt",
    "canary.txt\0.png",
    "%00",
    "~root/.ssh/id_rsa",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
)
IS_JSON = {"Content-Type": "application/json"}
WRONG: tuple[Any, ...] = ([], {"$ne": 1}, True, "1e999", 1.5, -1, 2**70, [[1]], "' OR 1=1 --", "a" * 5000)


def make_bomb(side: int = 60_000) -> bytes:
    """A PNG of some kilobytes that says it has thousands of millions of pixels."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(bytes(10**6))) + part(b"IEND", b"")


class InternalServer(http.server.BaseHTTPRequestHandler):
    """An internal address that must not be asked for anything, and sends on who asks."""

    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(302)
        self.send_header("Location", "http://169.254.169.254/latest/meta-data")
        self.end_headers()


@pytest.fixture(scope="module")
def internal() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), InternalServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
    assert InternalServer.asked == []


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hostile")
    (place / "canary.txt").write_bytes(SECRET)
    (place / "canary.png").write_bytes(make_png("gold"))
    (place / "allowed").mkdir()
    return place


@pytest.fixture(scope="module")
def collection(place: Path) -> Iterator[Collection]:
    with Collection.open(place / "collection", create=True, embedder="tiny") as made:
        made.add([make_png("red"), make_png("blue")], keys=["red", "blue"])
        yield made


@pytest.fixture(scope="module")
def client(collection: Collection, place: Path) -> Iterator[TestClient]:
    with open_client(collection, allow=(place / "allowed",), max_upload=2**20, body_seconds=1.0) as made:
        yield made


@pytest.fixture(scope="module")
def guarded(collection: Collection) -> Iterator[TestClient]:
    with open_client(collection, headers={}, read_token=READ, write_token=WRITE) as made:
        yield made


def hash_files(place: Path) -> dict[str, str]:
    """What lies there, but for the collection's own."""
    files = [one for one in sorted(place.rglob("*")) if one.is_file() and place / "collection" not in one.parents]
    return {str(one): blake2b(one.read_bytes()).hexdigest() for one in files}


HostileRequest = tuple[str, str, dict[str, Any]]
POSTS = ("/v1/search", "/v1/items/remove", "/v1/clusterings", "/v1/decisions", "/v1/jobs/add")
CHANGES = (("DELETE", "/v1/items/1"), ("PATCH", "/v1/items/1"), ("POST", "/v1/items"), ("POST", "/v1/jobs/add"))
PATHS = (
    "/v1/items/{}",
    "/v1/items/{}/picture",
    "/v1/items/{}/thumbnail",
    "/v1/clusters/{}/items",
    "/v1/uploads/{}/thumbnail",
    "/v1/jobs/{}",
    "/v1/jobs/{}/events",
    "/static/{}",
)


def list_traversals() -> Iterator[HostileRequest]:
    """In every place that takes something."""
    for path in PATHS:
        for way in TRAVERSALS:
            yield "GET", path.format(quote(way, safe="%")), {}
    for way in TRAVERSALS:
        yield "GET", "/v1/item", {"params": {"key": way}}
        yield "DELETE", f"/v1/clusterings/{quote(way, safe='')}", {}
        yield "POST", "/v1/search", {"json": {"upload": way}}
        yield "POST", "/v1/search", {"json": {"item": way}}
        yield "POST", "/v1/search", {"json": {"mix": [{"upload": way}]}}
        yield "POST", "/v1/jobs/add", {"json": {"paths": [way], "sync": True}}


def list_wrong_types() -> Iterator[HostileRequest]:
    names = ("item", "k", "vector", "where", "within", "mix", "radius", "level", "space", "diversify", "per_cluster")
    for number, name in enumerate(names):
        for one in (WRONG[number % len(WRONG)], WRONG[(number + 3) % len(WRONG)]):
            yield "POST", "/v1/search", {"json": {"vector": [1.0] * 12, name: one}}
    for path in POSTS:
        for body in (b"", b"[]", b"null", b'"x"', b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000):
            yield "POST", path, {"content": body, "headers": IS_JSON}
    deep: Any = 1
    for _ in range(400):
        deep = {"$not": deep}
    yield "GET", "/v1/items", {"params": {"where": json.dumps(deep)}}
    yield "GET", "/v1/items", {"params": {"where": "[" * 20_000}}
    yield "POST", "/v1/items/remove", {"json": {"where": {"a": {"$in": list(range(40_000))}}}}
    yield "GET", "/v1/clusters", {"params": {"count": "9" * 4000}}
    yield "GET", "/v1/clusters/loose", {"params": {"page": str(2**63)}}
    yield "GET", "/v1/items/1/thumbnail", {"params": {"edge": "100000"}}
    yield "PATCH", "/v1/items/1", {"content": b'{"metadata": {"a": "\\ud800"}}', "headers": IS_JSON}
    yield "PATCH", "/v1/items/1", {"content": b'{"text": "\\ud800"}', "headers": IS_JSON}
    yield (
        "PATCH",
        "/v1/items/1",
        {"content": b'{"metadata": {"n": 1e999}}', "headers": IS_JSON},
    )
    yield "POST", "/v1/search", {"content": b'{"vector": [NaN]}', "headers": IS_JSON}


def list_wrong_pictures() -> Iterator[HostileRequest]:
    broken = (
        b"",
        b"GIF89a",
        b"<svg onload=alert(1)>",
        b"%PDF-1.7",
        b"\x89PNG\r\n\x1a\n",
        make_png("red")[:60],
        make_bomb(),
    )
    for content in broken:
        yield "POST", "/v1/uploads", {"files": {"picture": ("../../x.png", content)}}
        yield "POST", "/v1/items", {"files": {"pictures": ("../../canary.png", content)}}
    yield "POST", "/v1/items", {"files": [("pictures", make_png("green")), ("pictures", b"no picture")]}
    yield "POST", "/v1/items", {"files": {"pictures": make_png("green")}, "data": {"keys": ["a", "b"]}}
    yield "POST", "/v1/items", {"files": {"pictures": make_png("green")}, "data": {"keys": "a\0b"}}
    yield "POST", "/v1/items", {"files": {"pictures": make_png("green")}, "data": {"metadata": "[1, 2]"}}
    yield "POST", "/v1/items", {"data": {"pictures": "/etc/passwd"}}
    yield "POST", "/v1/uploads", {"files": {"picture": b"x" * (2**20 + 1)}}
    yield "POST", "/v1/search", {"content": b"x" * (2**20 + 1)}
    many = [("pictures", (f"{number}.png", b"x")) for number in range(1100)]
    yield "POST", "/v1/items", {"files": many}
    bad = {"Content-Type": "multipart/form-data; boundary=x"}
    for body in (b"--x\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--", b"no boundary at all"):
        yield "POST", "/v1/uploads", {"content": body, "headers": bad}


def list_remote_paths(internal: str) -> Iterator[HostileRequest]:
    for uri in (
        f"{internal}/a.png",
        f"{internal}/redirect",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/a.png",
        "https://localhost/a.png",
        "ftp://127.0.0.1/a.png",
        "s3://bucket/a.png",
        "zip://*.png::file:///etc/passwd",
        "\\\\host\\share\\a.png",
    ):
        yield "POST", "/v1/jobs/add", {"json": {"paths": [uri]}}
        yield "POST", "/v1/search", {"json": {"item": uri}}
        yield "POST", "/v1/search", {"json": {"upload": uri}}
        yield "GET", "/v1/item", {"params": {"key": uri}}


def list_strange_requests() -> Iterator[HostileRequest]:
    """By another name, from elsewhere, by methods that there are not."""
    for host in (
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil",
        "",
        "localhost@evil",
        "evil:localhost",
        "[::2]",
    ):
        yield "GET", "/v1/items", {"headers": {"Host": host}}
    for method in ("PUT", "TRACE", "PROPFIND", "HEAD2"):
        yield method, "/v1/items", {}
    for path in (
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v2/items",
        "/admin",
        "/.env",
        "/%2f%2fevil.example/",
        "/static/../run.py",
    ):
        yield "GET", path, {}
    for length in ("99999999999", "9" * 50, "²"):
        yield "POST", "/v1/search", {"content": b"{}", "headers": {"Content-Length": length.encode("latin-1")}}
    yield "GET", "/v1/items/1/picture", {"headers": {"Range": "bytes=999999999-"}}


ALL = (
    ("traversal", list_traversals),
    ("wrong types", list_wrong_types),
    ("no pictures", list_wrong_pictures),
    ("strangers", list_strange_requests),
)


def check_refusal(answer: Any, asked: Any) -> None:
    assert 400 <= answer.status_code < 500, (asked, answer.status_code, answer.text[:300])
    assert answer.headers["content-type"] == "application/problem+json", (asked, answer.text[:300])
    told = answer.json()
    assert told["status"] == answer.status_code
    assert SECRET not in answer.content
    assert b"root:" not in answer.content
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_there_are_two_hundred_of_them(internal: str) -> None:
    assert sum(1 for _, several in ALL for _ in several()) + sum(1 for _ in list_remote_paths(internal)) >= 200


@pytest.mark.parametrize("what", [name for name, _ in ALL] + ["elsewhere"])
def test_each_is_refused(client: TestClient, place: Path, internal: str, what: str) -> None:
    before, change = hash_files(place), client.get("/readyz").json()
    several = dict(ALL).get(what, lambda: list_remote_paths(internal))
    for method, path, how in several():
        check_refusal(client.request(method, path, follow_redirects=False, **how), (method, path, str(how)[:200]))
    assert hash_files(place) == before
    assert client.get("/readyz").json() == change
    assert client.get("/v1/jobs").json()["jobs"] == []


def test_damaged_pictures_are_refused_or_read_and_never_more(client: TestClient) -> None:
    for number in range(40):
        answer = client.post("/v1/uploads", files={"picture": hostile.mutate(number)})
        assert answer.status_code in (201, 413, 422), (number, answer.text)


def test_without_the_right_token_nothing_is_told_and_nothing_done(guarded: TestClient, place: Path) -> None:
    tokens = ("", "Bearer", f"Bearer {READ}x", f"Basic {WRITE}", "Bearer null", f"Bearer {READ[:-1]}", "Bearer \xff")
    change = guarded.get("/readyz").json()
    for token in tokens:
        headers = {"Authorization": token.encode("latin-1")}
        for method, path in (
            ("GET", "/v1/items"),
            ("POST", "/v1/search"),
            ("DELETE", "/v1/items/1"),
            ("GET", "/metrics"),
        ):
            answer = guarded.request(method, path, headers=headers)
            assert answer.status_code == 401
            check_refusal(answer, (token, path))
    for method, path in (
        ("DELETE", "/v1/items/1"),
        ("PATCH", "/v1/items/1"),
        ("POST", "/v1/items"),
        ("POST", "/v1/jobs/add"),
    ):
        answer = guarded.request(method, path, headers={"Authorization": f"Bearer {READ}"})
        assert answer.status_code == 403
        cookie = {"Cookie": f"nearkin={WRITE}"}  # which a page elsewhere might have sent along
        assert guarded.request(method, path, headers=cookie).status_code == 401
    assert guarded.get("/readyz").json() == change


def test_a_page_elsewhere_changes_nothing(collection: Collection) -> None:
    with open_client(collection, headers={"Origin": "http://evil.example"}) as client:
        for method, path in (("DELETE", "/v1/items/1"), ("POST", "/v1/items"), ("POST", "/v1/items/remove")):
            check_refusal(client.request(method, path), path)
        asked = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "x-nearkin"}
        answer = client.options("/v1/items/1", headers=asked)
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-origin" not in client.get("/v1/items").headers


def test_what_is_not_the_picture_that_was_added_is_not_served(
    client: TestClient, collection: Collection, place: Path
) -> None:
    """A place may be changed to anything behind the collection's back, and that of a ready-made vector be anything."""
    there = place / "allowed" / "white.png"
    there.write_bytes(make_png("white"))
    [item] = collection.add([there], keys=["white"]).items
    there.unlink()
    there.symlink_to(place / "canary.txt")
    [other] = collection.add_vectors([[1.0] * 13], keys=["vector"], uris=[str(place / "canary.txt")]).items
    for one in (item, other):
        for what in ("picture", "thumbnail"):
            answer = client.get(f"/v1/items/{one}/{what}")
            assert answer.status_code == 422
            check_refusal(answer, one)
        answer = client.get("/v1/duplicates/overlay", params={"a": one, "b": 1})
        assert answer.status_code == 422
        check_refusal(answer, one)
    collection.remove([item, other])
    there.unlink()


# ---- over a real connection


@pytest.fixture(scope="module")
def running(collection: Collection) -> Iterator[ServerProcess]:
    with ServerProcess(collection.path) as server:
        yield server


def exchange(url: str, *parts: bytes, pause: float = 0.0) -> bytes:
    """What comes back, until the server ends the connection."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=40) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except OSError:  # it has heard enough
                break
            time.sleep(pause)
        answer = io.BytesIO()
        try:
            while data := connection.recv(65536):
                answer.write(data)
        except (ConnectionResetError, TimeoutError):
            pass
        return answer.getvalue()


HOST, IS_JSON_LINE = b"Host: localhost\r\n", b"Content-Type: application/json\r\n"
RAW = {
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


@pytest.mark.parametrize("what", RAW)
def test_what_is_no_request_is_answered_as_one_that_is_wrong(running: ServerProcess, what: str) -> None:
    answer = exchange(running.url, RAW[what] + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404", b"HTTP/1.1 421", b"HTTP/1.1 431")), answer[:200]
    assert b"application/problem+json" in answer
    assert b"Set-Cookie" not in answer


def test_answers_hold_no_headers_of_the_askers(running: ServerProcess) -> None:
    for path in ("/v1/items/1%0d%0aSet-Cookie:%20a=b", "/v1/item?key=a%0d%0aSet-Cookie:%20a=b", "/static/a%0d%0ab"):
        answer = exchange(running.url, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 4")
        assert b"\r\nset-cookie" not in answer.lower()


@pytest.fixture
def impatient(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.5)
    with listen_in_thread(collection, body_seconds=0.5) as url:
        yield url


SLOW = b"POST /v1/search HTTP/1.1\r\n" + HOST + IS_JSON_LINE + b"Content-Length: 500\r\n\r\n"


def test_slow_bodies_are_given_up(impatient: str) -> None:
    started = time.monotonic()
    answer = exchange(impatient, SLOW, *[b" "] * 100, pause=0.05)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"application/problem+json" in answer
    assert time.monotonic() - started < 10


def test_slow_headers_are_given_up(impatient: str) -> None:
    started = time.monotonic()
    assert exchange(impatient, b"", pause=0.01) == b""
    assert exchange(impatient, b"GET / HT") == b""
    assert exchange(impatient, *[b"GET / HTTP/1.1\r\n", *[b"X: a\r\n"] * 100], pause=0.05) == b""
    assert time.monotonic() - started < 10
    quick = exchange(impatient, b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert quick.startswith(b"HTTP/1.1 200")


def test_it_still_answers(running: ServerProcess, collection: Collection) -> None:
    assert running.client.get("/v1/count").json() == {"count": 2}
    assert running.client.get("/v1/items/1", headers=CLIENT_HEADERS).json()["key"] == "red"
    assert Image.open(io.BytesIO(make_png("red"))).size == (40, 30)
