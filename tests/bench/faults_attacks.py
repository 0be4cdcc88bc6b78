"""The hostile requests that `faults_requests` sends: huge, deep, malformed and forbidden ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import pictures
from tests.support.serving import READ, WRITE, make_png

REFUSED = (401, 403)
HUGE = 2**50
JSON_TYPE = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Attack:
    """A request. `options`: those of httpx. `expected`: the statuses it may have beside those of a busy server; empty:
    any that is no fault."""

    name: str
    method: str
    path: str
    options: dict[str, Any]
    expected: tuple[int, ...] = ()


class Arsenal:
    """All attacks on one server. `has_tokens`: the server asks for them; `edge`: pixels of the largest picture."""

    def __init__(self, has_tokens: bool, edge: int, ids: list[int], folder: Path) -> None:
        self.has_tokens, self.ids, self.folder = has_tokens, ids, folder
        self.reading = {"Authorization": f"Bearer {READ}"} if has_tokens else {}
        self.writing = {"Authorization": f"Bearer {WRITE}"} if has_tokens else {"X-Nearkin": "bench"}
        self.plain = make_png("red", (edge, edge))
        self.noisy = pictures.encoded(pictures.noise(1, (edge // 3, edge // 3)), "PNG", compress_level=1)
        self.size = 600_000 if edge > 1000 else 6_000

    def list_attacks(self) -> list[Attack]:
        kinds = (self._bodies, self._searches, self._many, self._files, self._readings, self._writings, self._beyond)
        attacks = [attack for kind in kinds for attack in kind()]
        return attacks + (list(self._tokens()) if self.has_tokens else list(self._pages_elsewhere()))

    def _post(self, name: str, path: str, body: Any, headers: dict[str, str] | None = None) -> Attack:
        content = body if isinstance(body, (bytes, str)) else json.dumps(body)
        options = {"content": content, "headers": {**JSON_TYPE, **self.reading, **(headers or {})}}
        return Attack(name, "POST", path, options)

    def _search(self, name: str, body: Any) -> Attack:
        return self._post(name, "/v1/search", body)

    def _get(self, name: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> Attack:
        return Attack(name, "GET", path, {"headers": {**self.reading, **(headers or {})}, **options})

    def _bodies(self) -> Iterator[Attack]:
        size, depth = self.size, self.size // 6
        yield self._search("many objects", {"item": 1, "where": {"$and": [{}] * size}})
        yield self._search("many lists", {"item": 1, "where": {"a": {"$in": [[]] * size}}})
        yield self._search("many numbers", {"item": 1, "where": {"a": {"$in": [1] * size}}})
        yield self._search("deep objects", '{"item":1,"where":' + '{"$not":' * depth + "1" + "}" * depth + "}")
        yield self._search("deep lists", "[" * size)
        yield self._search("no text", b"\xff\xfe{")
        yield self._search("half a body", '{"item": 1, "where": {"a"')
        yield self._search("a name twice", '{"item": 1, "item": "x", "k": 1, "k": null}')
        yield self._post("not compressed", "/v1/search", b"\x1f\x8b" * 100, {"Content-Encoding": "gzip"})
        yield Attack("a form", "POST", "/v1/search", {"data": {"a": ["x"] * 5000}, "headers": self.reading})
        yield Attack("a search with a file", "POST", "/v1/search", self._file(self.noisy))

    def _searches(self) -> Iterator[Attack]:
        for name, value in (("k", 2**52), ("k", -1), ("radius", -9), ("radius", 1e308), ("metric", "minkowski:1e308")):
            yield self._search(f"{name} {value}", {"item": 1, name: value})
        yield self._search("a long metric", {"item": 1, "metric": "minkowski:" + "9" * 100_000})
        yield self._search("per cluster", {"item": 1, "per_cluster": 2**52, "k": HUGE})
        yield self._search("a huge pool", {"item": 1, "diversify": 0.5, "pool": HUGE, "k": HUGE})
        yield self._search("many diverse", {"item": 1, "diversify": 0.5, "k": 100_000})
        yield self._search("many groups", {"item": 1, "group": True, "k": HUGE})
        wide = [{f"k{number}": {"$icontains": "x"}} for number in range(256)]
        yield self._search("a wide filter", {"item": 1, "where": {"$or": wide}})
        yield self._search("a long filter", {"item": 1, "where": {"t": {"$icontains": "x" * 5 * self.size}}})
        yield self._search("a filter of SQL", {"item": 1, "where": {"a') OR 1=1; DROP TABLE items; --": 1}})
        yield self._search("many words", {"query": "a " * self.size})
        yield self._search("a long word", {"query": "x" * 5 * self.size})
        yield self._search("words of SQLite", {"query": '"' + "a* AND NEAR( ^ " * 1000 + '"'})
        yield self._search("a long text", {"text": "a " * self.size})
        for value in ("NaN", "1e400", "-Infinity", "null"):
            yield self._search(f"a vector of {value}", '{"vector":[' + ",".join([value] * 13) + "]}")
        yield self._search("a long vector", {"vector": [0.1] * 65_536})
        yield self._search("within many", {"item": 1, "within": list(range(10_000))})
        yield self._search("within names", {"item": 1, "within": [f"n{number}" for number in range(10_000)]})
        yield self._search("an unknown upload", {"mix": [{"upload": "../../catalogue.sqlite", "weight": 1}] * 100})

    def _many(self) -> Iterator[Attack]:
        row = [0.1] * 13
        yield self._post("many vectors", "/v1/search/many", {"vectors": [row] * (self.size // 30), "k": 50})
        yield self._post("many with no k", "/v1/search/many", {"vectors": [row] * 3, "k": -5})
        yield self._post("many with a huge k", "/v1/search/many", {"vectors": [row], "k": 1_000_000})
        yield self._post("vectors of many", "/v1/items/vectors", {"items": self.ids * 80})

    def _file(self, content: bytes, headers: dict[str, str] | None = None) -> dict[str, Any]:
        return {"files": {"picture": ("a.png", content)}, "headers": {**self.reading, **(headers or {})}}

    def _files(self) -> Iterator[Attack]:
        contents = {
            "large": self.plain,
            "noisy": self.noisy,
            "bomb": pictures.bomb(),
            "empty": b"",
            "cut": self.plain[: len(self.plain) // 2],
        }
        for name, content in contents.items():
            yield Attack(f"upload {name}", "POST", "/v1/uploads", self._file(content))
            yield Attack(f"duplicates of {name}", "POST", "/v1/duplicates/of", self._file(content))
        parts = [("picture", (f"{number}.png", b"x" * 1000)) for number in range(1500)]
        yield Attack("many parts", "POST", "/v1/uploads", {"files": parts, "headers": self.reading})
        named: dict[str, Any] = {"files": {"picture": ("../../../a.png", self.noisy)}, "headers": self.reading}
        yield Attack("a name that climbs", "POST", "/v1/uploads", named)

    def _readings(self) -> Iterator[Attack]:
        for item in self.ids[-2:]:
            yield self._get("a picture", f"/v1/items/{item}/picture")
            yield self._get("a thumbnail", f"/v1/items/{item}/thumbnail?edge=640")
            yield self._get("many ranges", f"/v1/items/{item}/picture", {"Range": "bytes=" + "0-0," * 3000})
            yield self._get("duplicates of an item", f"/v1/items/{item}/duplicates")
        yield self._get("an overlay", f"/v1/duplicates/overlay?a={self.ids[-1]}&b={self.ids[-2]}")
        yield self._get("all duplicates", "/v1/duplicates")
        yield self._get("an export", "/v1/export?format=npz")
        yield self._get("an export with vectors", "/v1/export?format=parquet&vectors=true")
        for value in ("count=9007199254740991", "threshold=nan", "threshold=1e999"):
            yield self._get(f"clusters by {value}", f"/v1/clusters?{value}")
        alternatives = json.dumps({"$or": [{"a": number} for number in range(1500)]})
        yield self._get("a long filter in a query", "/v1/items", params={"where": alternatives})
        yield self._get("a long path", "/v1/" + "a" * 60_000)
        yield self._get("a path with NUL", "/v1/items/%00")
        yield self._get("a cookie of no text", "/v1/items", {"Cookie": "nearkin=" + "\x7f" * 100})

    def _writings(self) -> Iterator[Attack]:
        many = {"keys": ["k"] * 1500}
        one_file = [("pictures", ("a.png", self.noisy))]
        yield Attack("many fields", "POST", "/v1/items", {"files": one_file, "data": many, "headers": self.writing})
        for name, content, count in (("large", self.plain, 20 if self.size > 6_000 else 2), ("noisy", self.noisy, 2)):
            files = [("pictures", ("a.png", content))] * count
            keys = {"keys": [f"{name}-{number}" for number in range(count)]}
            yield Attack(f"add {name}", "POST", "/v1/items", {"files": files, "data": keys, "headers": self.writing})
        nested = '{"metadata":{"a":' + "[" * 5000 + "]" * 5000 + "}}"
        wide = json.dumps({"metadata": {f"k{number}": number for number in range(self.size // 6)}})
        headers = {**JSON_TYPE, **self.writing}
        for name, body in (("deep", nested), ("wide", wide)):
            yield Attack(f"{name} metadata", "PATCH", "/v1/items/1", {"content": body, "headers": headers})
        yield self._post("a huge evaluation", "/v1/evaluate", {"draws": HUGE, "sample": HUGE}, self.writing)
        yield self._post("a huge clustering", "/v1/clusterings", {"name": "q", "k": HUGE}, self.writing)

    def _beyond(self) -> Iterator[Attack]:
        allowed = self.folder / "allowed"
        outside = [
            self.folder / "beyond",
            allowed / ".." / "beyond",
            allowed / "linked",
            allowed / "link.png",
            Path("/"),
        ]
        for job in ("add", "sync"):
            for path in outside:
                attack = self._post(f"{job} {path.name}", f"/v1/jobs/{job}", {"paths": [str(path)]}, self.writing)
                yield Attack(attack.name, attack.method, attack.path, attack.options, REFUSED)
        yield self._post("add a folder with links", "/v1/jobs/add", {"paths": [str(allowed)]}, self.writing)
        climbing = "%2e%2e%2f" * 8 + str(self.folder / "beyond" / "secret.txt").replace("/", "%2f")
        for start in ("/static/", "/v1/items/", "/v1/jobs/", "/"):
            yield self._get(f"climb from {start}", start + climbing)

    def _tokens(self) -> Iterator[Attack]:
        wrong = ("x" * 3000, READ[:-1], READ + "x", WRITE[:-1], "\x7f")
        for token in wrong:
            headers = {**JSON_TYPE, "Authorization": f"Bearer {token}"}
            name = f"the token {token[:30]!r}"
            yield Attack(name, "POST", "/v1/search", {"content": '{"item": 1}', "headers": headers}, REFUSED)
            yield Attack(f"{name}, deleting", "DELETE", "/v1/items/1", {"headers": headers}, REFUSED)
        yield Attack("no token", "GET", "/v1/items", {}, REFUSED)
        yield Attack(
            "no token, uploading", "POST", "/v1/uploads", {"files": {"picture": ("a.png", self.noisy)}}, REFUSED
        )
        yield Attack("a reader who deletes", "DELETE", "/v1/items/1", {"headers": self.reading}, REFUSED)

    def _pages_elsewhere(self) -> Iterator[Attack]:
        elsewhere = {"Origin": "http://evil.example"}
        yield Attack("another page's upload", "POST", "/v1/uploads", self._file(self.plain, elsewhere), (*REFUSED, 421))
        yield Attack("another page that deletes", "DELETE", "/v1/items/1", {"headers": elsewhere}, (*REFUSED, 421))
        yield Attack("no header of ours", "DELETE", "/v1/items/1", {}, REFUSED)
        yield Attack("another host's name", "GET", "/v1/items", {"headers": {"Host": "evil.example"}}, (421,))


MALFORMED = (
    b"GET\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"Host: localhost\r\n" * 2000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n{}",
    b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
    b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nzz\r\n",
    b"GET /..//..//etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
)
"""What no HTTP library sends."""
