"""Items over HTTP: pages, pictures and parts of them, thumbnails, uploads that are kept."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from indexers.pictures import images
from retrieval import Collection
from retrieval.server import pictures
from retrieval.server.responses import parse_number, parse_range
from tests.support.serving import make_png, open_client


def test_pages_follow_each_other(filled: Collection) -> None:
    with open_client(filled) as client:
        seen: list[int] = []
        cursor: Any = 0
        while cursor is not None:
            page = client.get("/v1/items", params={"cursor": cursor, "limit": 2}).json()
            seen, cursor = [*seen, *(one["id"] for one in page["items"])], page["cursor"]
        assert seen == [1, 2, 3, 4, 5]


def test_a_picture_is_given_as_it_lies_there(filled: Collection, folder: Path) -> None:
    with open_client(filled) as client:
        whole = client.get("/v1/items/1/picture")
        content = (folder / "black.png").read_bytes()
        assert (whole.content, whole.headers["content-type"]) == (content, "image/png")
        tag = whole.headers["etag"]
        assert client.get("/v1/items/1/picture", headers={"If-None-Match": f'"x", W/{tag}'}).status_code == 304
        part = client.get("/v1/items/1/picture", headers={"Range": "bytes=5-9"})
        assert (part.status_code, part.content) == (206, content[5:10])
        assert part.headers["content-range"] == f"bytes 5-9/{len(content)}"
        assert client.get("/v1/items/1/picture", headers={"Range": "bytes=-4"}).content == content[-4:]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("bytes=0-", (0, 10)),
        ("bytes=3-5", (3, 6)),
        ("bytes=3-99", (3, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=10-", (10, 10)),
        ("bytes=5-3", None),
        ("bytes=0-1,3-4", None),
        ("bytes=-", None),
        ("lines=1-2", None),
        ("", None),
        ("bytes=²-", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_ranges(said: str, wanted: tuple[int, int] | None) -> None:
    assert parse_range(said, 10) == wanted


@pytest.mark.parametrize(("text", "number"), [("12", 12), ("²", None), ("", None), ("-1", None), ("9" * 19, None)])
def test_numbers_in_headers(text: str, number: int | None) -> None:
    assert parse_number(text) == number


def test_thumbnails_are_made_once_and_kept(filled: Collection, folder: Path) -> None:
    with open_client(filled) as client:
        first = client.get("/v1/items/1/thumbnail", params={"edge": 160})
        assert first.headers["content-type"] == "image/webp"
        assert max(Image.open(io.BytesIO(first.content)).size) <= 160
        (folder / "black.png").unlink()
        again = client.get("/v1/items/1/thumbnail", params={"edge": 160})
        assert again.content == first.content
        tag = {"If-None-Match": first.headers["etag"]}
        assert client.get("/v1/items/1/thumbnail", params={"edge": 160}, headers=tag).status_code == 304


def test_added_pictures_are_kept_shown_and_go_with_their_item(collection: Collection) -> None:
    with open_client(collection) as client:
        sent = [("pictures", ("../a.png", make_png("red"))), ("pictures", ("b.png", make_png("blue")))]
        added = client.post("/v1/items", files=sent, data={"metadata": '[{"n": 1}, {"n": 2}]', "texts": ["one", "two"]})
        assert added.status_code == 201
        one, two = (client.get(f"/v1/items/{item}").json() for item in added.json()["items"])
        assert (one["metadata"], two["text"]) == ({"n": 1}, "two")
        assert client.get(f"/v1/items/{one['id']}/picture").content == make_png("red")
        places = [Path(item["uri"]) for item in (one, two)]
        assert client.delete(f"/v1/items/{one['id']}").status_code == 204
        assert [place.exists() for place in places] == [False, True]
        assert client.post("/v1/items", files={"pictures": make_png("blue")}).json()["known"] == 1


def test_a_key_may_get_another_picture(collection: Collection) -> None:
    with open_client(collection) as client:
        for colour in ("red", "blue", "red"):
            answer = client.post("/v1/items", files={"pictures": make_png(colour)}, data={"keys": ["k"]})
            [item] = answer.json()["items"]
            shown = client.get(f"/v1/items/{item}/picture")
            assert (shown.status_code, shown.content) == (200, make_png(colour))
        other = client.post("/v1/items", files={"pictures": make_png("red")}, data={"keys": ["other"]}).json()["items"][
            0
        ]
        assert client.delete(f"/v1/items/{item}").status_code == 204
        assert client.get(f"/v1/items/{other}/picture").content == make_png("red")


def test_one_wrong_picture_keeps_all_out(collection: Collection) -> None:
    with open_client(collection) as client:
        answer = client.post("/v1/items", files=[("pictures", make_png("red")), ("pictures", b"no")])
        assert answer.status_code == 422
        assert collection.count() == 0
        assert not (collection.path / "pictures").exists()


def test_nothing_that_was_sent_is_decoded_here(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_client(collection) as client:

        def never(*_: Any, **__: Any) -> Any:
            raise AssertionError("decoded in the server's process")

        monkeypatch.setattr(images, "decode", never)
        added = client.post("/v1/items", files=[("pictures", make_png("red")), ("pictures", make_png("red", (80, 60)))])
        assert added.status_code == 201, added.text
        upload = client.post("/v1/uploads", files={"picture": make_png("red")}).json()["upload"]
        assert client.post("/v1/search", json={"upload": upload}).json()["hits"]
        mix = [{"upload": upload, "weight": 1.0}, {"item": 1, "weight": -0.5}]
        assert client.post("/v1/search", json={"mix": mix}).json()["hits"]
        assert client.get("/v1/items/1/thumbnail").status_code == 200
        assert client.get("/v1/duplicates").status_code == 200
        assert client.get("/v1/duplicates/overlay", params={"a": 1, "b": 2}).status_code == 200


def test_uploads_are_forgotten(filled: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_UPLOADS", 2)
    with open_client(filled) as client:
        names = [
            client.post("/v1/uploads", files={"picture": make_png(one)}).json()["upload"]
            for one in ("red", "blue", "tan")
        ]
        found = [client.get(f"/v1/uploads/{name}/thumbnail").status_code for name in names]
        assert sorted(found) == [200, 200, 404]
        monkeypatch.setattr(pictures, "UPLOAD_SECONDS", -1.0)
        assert client.get(f"/v1/uploads/{names[-1]}/thumbnail").status_code == 404


def test_only_so_many_wait_to_be_decoded(filled: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_WAITING", 0)
    monkeypatch.setattr(pictures, "WAIT_SECONDS", 0.05)
    with open_client(filled) as client:
        answer = client.post("/v1/uploads", files={"picture": make_png("red")})
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:nearkin:too-busy")
