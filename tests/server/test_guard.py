"""Who may ask, by which name; what every answer says."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexers.errors import BadSetting
from retrieval import Collection
from retrieval.server import ServerSettings
from retrieval.server.guard import strip_port
from retrieval.server.settings import is_loopback
from tests.support.serving import CLIENT_HEADERS, READ, WRITE, make_png, open_client


@pytest.mark.parametrize(
    ("host", "name"),
    [("localhost:80", "localhost"), ("[::1]:80", "[::1]"), ("LocalHost", "localhost"), ("", ""), ("[::1", "[")],
)
def test_names_without_ports(host: str, name: str) -> None:
    assert strip_port(host) == name


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("example.org", False),
        ("::", False),
    ],
)
def test_what_is_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) is here


def test_settings_that_are_refused(tmp_path: Path) -> None:
    wrong: dict[str, ServerSettings] = {
        "no token is set": ServerSettings("0.0.0.0"),
        "shorter than 16": ServerSettings(write_token="short"),
        "plain letters": ServerSettings(read_token="ä" * 20),
        "is not a folder": ServerSettings(allow=(tmp_path / "none",)),
        "the collection lies in": ServerSettings(watch=(tmp_path,)),
    }
    for reason, served in wrong.items():
        with pytest.raises(BadSetting, match=reason):
            served.check(tmp_path / "collection")
    ServerSettings("0.0.0.0", write_token=WRITE).check(tmp_path)


def test_tokens_are_not_shown() -> None:
    assert WRITE not in repr(ServerSettings(read_token=WRITE, write_token=WRITE))


def test_beyond_this_machine_it_may_be_asked_for_by_number_and_by_names_of_ours() -> None:
    served = ServerSettings("0.0.0.0", write_token=WRITE, hosts=("photos.example",))
    assert served.allows_host("192.168.1.7")
    assert served.allows_host("[fe80::1]")
    assert served.allows_host("photos.example")
    assert not served.allows_host("evil.example")
    assert not ServerSettings().allows_host("192.168.1.7")


def test_every_answer_says_what_a_browser_must_not_do(filled: Collection) -> None:
    with open_client(filled) as client:
        for path in ("/", "/v1/items", "/v1/items/1/picture", "/nothing", "/v1/openapi.json"):
            said = client.get(path).headers
            assert said["content-security-policy"].startswith("default-src 'none'")
            assert "unsafe" not in said["content-security-policy"]
            assert said["x-frame-options"] == "DENY"
            assert said["cross-origin-resource-policy"] == "same-origin"
            assert "server" not in said


def test_what_each_token_allows(filled: Collection) -> None:
    with open_client(filled, headers={}, read_token=READ, write_token=WRITE) as client:
        reads, writes = ({"Authorization": f"Bearer {token}"} for token in (READ, WRITE))
        assert client.get("/v1/items").status_code == 401
        assert client.get("/v1/items", headers=reads).status_code == 200
        assert client.post("/v1/search", json={"item": 1}, headers=reads).status_code == 200
        assert client.post("/v1/uploads", files={"picture": make_png("red")}, headers=reads).status_code == 201
        assert client.patch("/v1/items/1", json={"text": "x"}, headers=reads).status_code == 403
        assert client.patch("/v1/items/1", json={"text": "x"}, headers=writes).status_code == 200
        assert client.get("/healthz").status_code == client.get("/").status_code == 200
        assert client.get("/v1/info", headers=reads).json()["server"]["writable"] is False
        assert client.get("/v1/info", headers=writes).json()["server"]["writable"] is True


def test_a_session_lets_a_browser_fetch_and_change_nothing(filled: Collection) -> None:
    with open_client(filled, headers={}, write_token=WRITE) as client:
        assert client.post("/v1/session", json={"token": "wrong"}).status_code == 401
        begun = client.post("/v1/session", json={"token": WRITE})
        assert begun.status_code == 204
        said = begun.headers["set-cookie"].lower()
        assert "httponly" in said
        assert "samesite=strict" in said
        assert client.get("/v1/items/1/thumbnail").status_code == 200
        assert client.delete("/v1/items/1", headers=CLIENT_HEADERS).status_code == 401


def test_pages_elsewhere_may_ask_where_they_were_named(filled: Collection) -> None:
    with open_client(filled, origins=("https://app.example",)) as client:
        for origin, allowed in (("https://app.example", True), ("https://evil.example", False)):
            answer = client.get("/v1/items", headers={"Origin": origin})
            assert ("access-control-allow-origin" in answer.headers) is allowed


def test_more_may_be_sent_as_pictures_than_as_words(filled: Collection) -> None:
    with open_client(filled, max_upload=6 * 2**20) as client:
        much = b" " * (5 * 2**20)
        assert client.post("/v1/search", content=much).status_code == 413
        assert client.post("/v1/uploads", files={"picture": much}).status_code == 422

        def parts() -> list[bytes]:
            return [b" " * 2**20 for _ in range(5)]

        assert client.post("/v1/search", content=iter(parts())).status_code == 413
