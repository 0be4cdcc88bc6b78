"""Who may ask, by which name; what every answer says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from retrieval import Collection
from retrieval.server import guard
from retrieval.server.guard import find_token, is_read_only, matches_token, strip_port
from tests.support.serving import CLIENT_HEADERS, READ, WRITE, make_png, open_client


@pytest.fixture(scope="module")
def guarded(discs: Collection) -> Iterator[TestClient]:
    """A client without a token of an app that needs one."""
    with open_client(discs, headers={}, read_token=READ, write_token=WRITE) as client:
        yield client


@pytest.mark.parametrize(
    ("host", "name"),
    [("localhost:80", "localhost"), ("[::1]:80", "[::1]"), ("LocalHost", "localhost"), ("", ""), ("[::1", "[")],
)
def test_names_without_ports(host: str, name: str) -> None:
    assert strip_port(host) == name


def test_only_searches_and_uploads_are_posts_that_change_nothing() -> None:
    assert is_read_only("GET", "/v1/items/1")
    assert is_read_only("HEAD", "/v1/items/1")
    assert is_read_only("POST", "/v1/search")
    assert is_read_only("POST", "/v1/search/many")
    assert is_read_only("POST", "/v1/uploads")
    assert is_read_only("POST", "/v1/duplicates/of")
    assert is_read_only("POST", "/v1/items/vectors")
    assert not is_read_only("POST", "/v1/duplicates/find")
    assert not is_read_only("POST", "/v1/items")
    assert not is_read_only("DELETE", "/v1/items/1")


@pytest.mark.parametrize(
    ("headers", "method", "token"),
    [
        ({"authorization": f"Bearer {READ}"}, "POST", READ),
        ({"authorization": f"bearer {READ}"}, "GET", READ),
        ({"authorization": f"Basic {READ}"}, "GET", ""),
        ({"cookie": f"a=b; nearkin={READ}"}, "GET", READ),
        ({"cookie": f"nearkin={READ}"}, "POST", ""),
        ({"cookie": "\x01=;;"}, "GET", ""),
        ({}, "GET", ""),
    ],
)
def test_a_token_comes_in_a_header_or_for_reading_in_a_cookie(headers: dict[str, str], method: str, token: str) -> None:
    assert find_token(Headers(headers), method) == token


def test_nothing_matches_a_token_that_is_not_set() -> None:
    assert matches_token(READ, READ)
    assert not matches_token(READ, WRITE)
    assert not matches_token("", None)
    assert not matches_token("\ud800", READ)


def test_every_answer_says_what_a_browser_must_not_do(discs_client: TestClient) -> None:
    for path in ("/", "/v1/items", "/v1/items/1/picture", "/nothing", "/v1/openapi.json", "/docs"):
        headers = discs_client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers


def test_what_each_token_allows(guarded: TestClient) -> None:
    reads, writes = ({"Authorization": f"Bearer {token}"} for token in (READ, WRITE))
    nothing = {"json": {"metadata": {}}}
    assert guarded.get("/v1/items").status_code == 401
    assert guarded.get("/v1/items", headers=reads).status_code == 200
    assert guarded.post("/v1/search", json={"item": 1}, headers=reads).status_code == 200
    assert guarded.post("/v1/uploads", files={"picture": make_png("red")}, headers=reads).status_code == 201
    assert guarded.patch("/v1/items/1", **nothing, headers=reads).status_code == 403
    assert guarded.patch("/v1/items/1", **nothing, headers=writes).status_code == 200
    assert (
        guarded.get("/healthz").status_code == guarded.get("/").status_code == guarded.get("/docs").status_code == 200
    )
    assert guarded.get("/v1/openapi.json").status_code == 401
    assert guarded.get("/v1/info", headers=reads).json()["server"]["writable"] is False
    assert guarded.get("/v1/info", headers=writes).json()["server"]["writable"] is True


def test_a_session_lets_a_browser_fetch_and_change_nothing(guarded: TestClient) -> None:
    assert guarded.post("/v1/session", json={"token": "wrong"}).status_code == 401
    session = guarded.post("/v1/session", json={"token": WRITE})
    assert session.status_code == 204
    cookie = session.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert guarded.get("/v1/items/1/thumbnail").status_code == 200
    assert guarded.delete("/v1/items/1", headers=CLIENT_HEADERS).status_code == 401
    guarded.cookies.clear()


def test_without_tokens_changes_need_a_header_that_no_page_elsewhere_can_send(discs: Collection) -> None:
    with open_client(discs, headers={}) as client:
        refusal = client.patch("/v1/items/1", json={"metadata": {}})
        assert refusal.status_code == 403
        assert refusal.json()["title"] == "Missing X-Nearkin header"
        assert client.patch("/v1/items/1", json={"metadata": {}}, headers=CLIENT_HEADERS).status_code == 200
        assert client.post("/v1/search", json={"item": 1}).status_code == 200


def test_pages_elsewhere_may_ask_where_they_were_named(discs: Collection) -> None:
    with open_client(discs, origins=("https://app.example",)) as client:
        for origin, allowed in (("https://app.example", True), ("https://evil.example", False)):
            response = client.get("/v1/items", headers={"Origin": origin})
            assert ("access-control-allow-origin" in response.headers) is allowed


def test_more_may_be_sent_as_pictures_than_as_words(discs: Collection) -> None:
    with open_client(discs, max_upload=6 * 2**20) as client:
        megabytes = b" " * (5 * 2**20)
        assert client.post("/v1/search", content=megabytes).status_code == 413
        assert client.post("/v1/uploads", files={"picture": megabytes}).status_code == 422

        def stream_parts() -> Iterator[bytes]:
            return iter([b" " * 2**20 for _ in range(5)])

        assert client.post("/v1/search", content=stream_parts()).status_code == 413


FOREIGN = [
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
    {"Origin": "http://localhost:3000"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://evil.example", "X-Nearkin": "1"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("tokens", [{}, {"read_token": READ, "write_token": WRITE}], ids=["open", "tokens"])
def test_pages_elsewhere_make_nothing_stored_or_computed(
    discs: Collection, headers: dict[str, str], tokens: dict[str, str]
) -> None:
    before, uploads = discs.change(), sorted(discs.path.rglob("uploads/*"))
    with open_client(discs, headers=headers | {"Cookie": f"nearkin={READ}"}, **tokens) as client:
        requests = [
            ("POST", "/v1/uploads", {"files": {"picture": make_png("red")}}),
            ("POST", "/v1/search", {"content": b'{"item": 1}', "headers": {"Content-Type": "text/plain"}}),
            ("POST", "/v1/items", {"files": {"pictures": make_png("red")}}),
            ("POST", "/v1/duplicates/find", {}),
            ("POST", "/v1/session", {"json": {"token": READ}}),
            ("GET", "/v1/duplicates", {}),
            ("GET", "/v1/items/1/thumbnail", {}),
            ("GET", "/v1/duplicates/overlay", {"params": {"a": 1, "b": 2}}),
            ("GET", "/v1/changes", {}),
            ("GET", "/metrics", {}),
        ]
        for method, path, options in requests:
            answer = client.request(method, path, **options)
            assert (answer.status_code, answer.json()["type"]) == (403, "urn:nearkin:from-elsewhere"), path
        assert sorted(discs.path.rglob("uploads/*")) == uploads
        assert client.get("/").status_code == client.get("/docs").status_code == 200  # links lead here
    assert discs.change() == before


OWN = [
    {},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://localhost"},
    {"Origin": "https://LOCALHOST"},
    {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://photos.example", "X-Nearkin": "page"},
]


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_the_page_other_programs_and_named_origins_may_ask(discs: Collection, headers: dict[str, str]) -> None:
    settings = {"origins": ("https://app.example",), "hosts": ("photos.example",)}
    with open_client(discs, headers=headers, **settings) as client:
        assert client.post("/v1/search", json={"item": 1, "k": 1}).status_code == 200
        assert client.post("/v1/uploads", files={"picture": make_png("red")}).status_code == 201


@pytest.mark.parametrize(
    "path", ["/v1/item?key=a%00b", "/v1/items?where=%00", "/v1/clusterings/a%00/refresh", "/static/%00"]
)
def test_no_path_and_no_query_holds_nul(discs_client: TestClient, path: str) -> None:
    method = "POST" if path.endswith("refresh") else "GET"
    answer = discs_client.request(method, path)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:nearkin:bad-request")


def test_so_many_requests_are_answered_at_once(discs: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_REQUESTS", 0)
    with open_client(discs) as client:
        answer = client.get("/v1/count")
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:nearkin:too-busy")
        assert answer.headers["retry-after"]
    monkeypatch.setattr(guard, "MAX_REQUESTS", 1)
    with open_client(discs) as client:
        assert {client.get("/v1/count").status_code for _ in range(3)} == {200}


def test_filters_have_so_much_time(discs: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "FILTER_SECONDS", -1.0)
    where = {"$or": [{"colour": {"$icontains": str(number)}} for number in range(50)]}
    with open_client(discs) as client:
        answer = client.post("/v1/search", json={"item": 1, "where": where})
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:nearkin:bad-filter")
        assert "takes too long" in answer.json()["detail"]
