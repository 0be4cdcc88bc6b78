"""Two hundred requests that nobody means well: each is refused with a problem document, and nothing beyond the
collection is read or written."""

from __future__ import annotations

import http.server
import json
import struct
import threading
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from retrieval import Collection
from tests.support import hostile
from tests.support.serving import READ, WRITE, make_png, open_client

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
    """Return a PNG of some kilobytes that says it has thousands of millions of pixels."""

    def make_chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = make_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    pixels = make_chunk(b"IDAT", zlib.compress(bytes(10**6)))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + make_chunk(b"IEND", b"")


class InternalServer(http.server.BaseHTTPRequestHandler):
    """An internal address that must not be asked for anything, and redirects whoever asks."""

    requested: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.requested.append(self.path)
        self.send_response(302)
        self.send_header("Location", "http://169.254.169.254/latest/meta-data")
        self.end_headers()


@pytest.fixture(scope="module")
def internal() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), InternalServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
    assert InternalServer.requested == []


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hostile")
    (place / "canary.txt").write_bytes(SECRET)
    (place / "canary.png").write_bytes(make_png("gold"))
    (place / "allowed").mkdir()
    return place


@pytest.fixture(scope="module")
def collection(place: Path) -> Iterator[Collection]:
    with Collection.open(place / "collection", create=True, embedder="tiny") as collection:
        collection.add([make_png("red"), make_png("blue")], keys=["red", "blue"])
        yield collection


@pytest.fixture(scope="module")
def client(collection: Collection, place: Path) -> Iterator[TestClient]:
    with open_client(collection, allow=(place / "allowed",), max_upload=2**20, body_seconds=1.0) as client:
        yield client


@pytest.fixture(scope="module")
def guarded(collection: Collection) -> Iterator[TestClient]:
    with open_client(collection, headers={}, read_token=READ, write_token=WRITE) as client:
        yield client


def hash_files(place: Path) -> dict[str, str]:
    """Return a hash of each file below a folder, but for those of the collection."""
    files = [file for file in sorted(place.rglob("*")) if file.is_file() and place / "collection" not in file.parents]
    return {str(file): blake2b(file.read_bytes()).hexdigest() for file in files}


HostileRequest = tuple[str, str, dict[str, Any]]
POSTS = (
    "/v1/search",
    "/v1/search/many",
    "/v1/items/remove",
    "/v1/items/vectors",
    "/v1/vectors",
    "/v1/texts",
    "/v1/clusterings",
    "/v1/decisions",
    "/v1/spaces",
    "/v1/jobs/add",
    "/v1/jobs/sync",
)
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
    """Yield each traversal in every place that takes a name."""
    for path in PATHS:
        for traversal in TRAVERSALS:
            yield "GET", path.format(quote(traversal, safe="%")), {}
    for traversal in TRAVERSALS:
        yield "GET", "/v1/item", {"params": {"key": traversal}}
        yield "DELETE", f"/v1/clusterings/{quote(traversal, safe='')}", {}
        yield "POST", "/v1/search", {"json": {"upload": traversal}}
        yield "POST", "/v1/search", {"json": {"item": traversal}}
        yield "POST", "/v1/search", {"json": {"mix": [{"upload": traversal}]}}
        yield "POST", "/v1/jobs/add", {"json": {"paths": [traversal], "sync": True}}
        yield "POST", "/v1/jobs/sync", {"json": {"paths": [traversal]}}
        yield "POST", "/v1/spaces", {"json": {"embedder": traversal}}
        yield "POST", f"/v1/spaces/{quote(traversal, safe='%')}/use", {}
        yield "DELETE", f"/v1/spaces/{quote(traversal, safe='%')}", {}
        yield "GET", "/v1/cluster", {"params": {"name": traversal}}
        yield "GET", "/v1/export", {"params": {"format": traversal}}


def list_wrong_types() -> Iterator[HostileRequest]:
    names = ("item", "k", "vector", "where", "within", "mix", "radius", "level", "space", "diversify", "per_cluster")
    for number, name in enumerate(names):
        for value in (WRONG[number % len(WRONG)], WRONG[(number + 3) % len(WRONG)]):
            yield "POST", "/v1/search", {"json": {"vector": [1.0] * 12, name: value}}
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
        yield "POST", "/v1/duplicates/of", {"files": {"picture": ("../../canary.png", content)}}
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
    """Yield requests by another host name, with unknown methods, for unknown paths."""
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


def check_refusal(response: Any, request: Any) -> None:
    assert 400 <= response.status_code < 500, (request, response.status_code, response.text[:300])
    assert response.headers["content-type"] == "application/problem+json", (request, response.text[:300])
    assert response.json()["status"] == response.status_code
    assert SECRET not in response.content
    assert b"root:" not in response.content
    assert response.headers["x-content-type-options"] == "nosniff"


def test_there_are_two_hundred_of_them(internal: str) -> None:
    count = sum(1 for _, list_requests in ALL for _ in list_requests())
    assert count + sum(1 for _ in list_remote_paths(internal)) >= 200


@pytest.mark.parametrize("kind", [name for name, _ in ALL] + ["elsewhere"])
def test_each_is_refused(client: TestClient, place: Path, internal: str, kind: str) -> None:
    before, change = hash_files(place), client.get("/readyz").json()
    list_requests = dict(ALL).get(kind, lambda: list_remote_paths(internal))
    for method, path, options in list_requests():
        response = client.request(method, path, follow_redirects=False, **options)
        check_refusal(response, (method, path, str(options)[:200]))
    assert hash_files(place) == before
    assert client.get("/readyz").json() == change
    assert client.get("/v1/jobs").json()["jobs"] == []


def test_damaged_pictures_are_refused_or_read_and_never_more(client: TestClient) -> None:
    for number in range(40):
        response = client.post("/v1/uploads", files={"picture": hostile.mutate(number)})
        assert response.status_code in (201, 413, 422), (number, response.text)


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
            response = guarded.request(method, path, headers=headers)
            assert response.status_code == 401
            check_refusal(response, (token, path))
    for method, path in CHANGES:
        response = guarded.request(method, path, headers={"Authorization": f"Bearer {READ}"})
        assert response.status_code == 403
        cookie = {"Cookie": f"nearkin={WRITE}"}  # which a page elsewhere might have sent along
        assert guarded.request(method, path, headers=cookie).status_code == 401
    assert guarded.get("/readyz").json() == change


def test_a_page_elsewhere_changes_nothing(collection: Collection) -> None:
    with open_client(collection, headers={"Origin": "http://evil.example"}) as client:
        for method, path in (("DELETE", "/v1/items/1"), ("POST", "/v1/items"), ("POST", "/v1/items/remove")):
            check_refusal(client.request(method, path), path)
        preflight = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "x-nearkin"}
        response = client.options("/v1/items/1", headers=preflight)
        assert "access-control-allow-origin" not in response.headers
        assert "access-control-allow-origin" not in client.get("/v1/items").headers


def test_what_is_not_the_picture_that_was_added_is_not_served(
    client: TestClient, collection: Collection, place: Path
) -> None:
    """A place may be changed to anything behind the collection's back, and that of a ready-made vector be anything."""
    path = place / "allowed" / "white.png"
    path.write_bytes(make_png("white"))
    [item] = collection.add([path], keys=["white"]).items
    path.unlink()
    path.symlink_to(place / "canary.txt")
    [vector] = collection.add_vectors([[1.0] * 13], keys=["vector"], uris=[str(place / "canary.txt")]).items
    for item_id in (item, vector):
        for view in ("picture", "thumbnail"):
            response = client.get(f"/v1/items/{item_id}/{view}")
            assert response.status_code == 422
            check_refusal(response, item_id)
        response = client.get("/v1/duplicates/overlay", params={"a": item_id, "b": 1})
        assert response.status_code == 422
        check_refusal(response, item_id)
    collection.remove([item, vector])
    path.unlink()


def test_it_still_answers(client: TestClient) -> None:
    assert client.get("/v1/count").json() == {"count": 2}
    assert client.get("/v1/items/1").json()["key"] == "red"
