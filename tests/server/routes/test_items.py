"""Items over HTTP: pages, thumbnails, adding, updating, removing."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from indexers.errors import WriterBusy
from retrieval import Collection
from tests.support.serving import make_png, open_client


def test_pages_follow_each_other(discs_client: TestClient) -> None:
    seen: list[int] = []
    cursor: Any = 0
    while cursor is not None:
        page = discs_client.get("/v1/items", params={"cursor": cursor, "limit": 2}).json()
        seen, cursor = [*seen, *(item["id"] for item in page["items"])], page["cursor"]
    assert seen == [1, 2, 3, 4, 5]


def test_a_filter_holds_for_pages_and_counts(discs_client: TestClient) -> None:
    where = json.dumps({"colour": {"$in": ["red", "blue"]}})
    page = discs_client.get("/v1/items", params={"where": where}).json()
    assert [item["metadata"]["colour"] for item in page["items"]] == ["blue", "red"]
    assert discs_client.get("/v1/count", params={"where": where}).json() == {"count": 2}
    wrong = discs_client.get("/v1/count", params={"where": "{"})
    assert (wrong.status_code, wrong.json()["type"]) == (400, "urn:nearkin:bad-filter")


def test_an_item_is_found_by_id_key_and_path(discs_client: TestClient, discs_folder: Path) -> None:
    item = discs_client.get("/v1/items/2").json()
    assert item["uri"] == str(discs_folder / "blue.png")
    for key in (item["key"], item["uri"]):
        assert discs_client.get("/v1/item", params={"key": key}).json() == item


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


def test_thumbnails_have_four_sizes(discs_client: TestClient) -> None:
    for edge in (160, 320, 640, 1600):
        assert discs_client.get("/v1/items/1/thumbnail", params={"edge": edge}).status_code == 200
    wrong = discs_client.get("/v1/items/1/thumbnail", params={"edge": 161})
    assert (wrong.status_code, wrong.json()["detail"]) == (
        400,
        "edge must be one of 160, 320, 640, 1600 pixels; got 161",
    )


def test_what_no_browser_shows_is_sent_as_a_file(collection: Collection, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.tiff")
    collection.add(tmp_path / "red.tiff")
    with open_client(collection) as client:
        response = client.get("/v1/items/1/picture")
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"] == "attachment"


def test_added_pictures_are_kept_shown_and_go_with_their_item(collection: Collection) -> None:
    with open_client(collection) as client:
        files = [("pictures", ("../a.png", make_png("red"))), ("pictures", ("b.png", make_png("blue")))]
        data = {"metadata": '[{"n": 1}, {"n": 2}]', "texts": ["one", "two"]}
        added = client.post("/v1/items", files=files, data=data)
        assert added.status_code == 201
        red, blue = (client.get(f"/v1/items/{item_id}").json() for item_id in added.json()["items"])
        assert (red["metadata"], blue["text"]) == ({"n": 1}, "two")
        assert client.get(f"/v1/items/{red['id']}/picture").content == make_png("red")
        paths = [Path(item["uri"]) for item in (red, blue)]
        assert client.delete(f"/v1/items/{red['id']}", params={"purge": True}).status_code == 204
        assert [path.exists() for path in paths] == [False, True]
        assert client.post("/v1/items", files={"pictures": make_png("blue")}).json()["known"] == 1


def test_a_key_may_get_another_picture(collection: Collection) -> None:
    with open_client(collection) as client:
        for colour in ("red", "blue", "red"):
            added = client.post("/v1/items", files={"pictures": make_png(colour)}, data={"keys": ["k"]})
            [item] = added.json()["items"]
            picture = client.get(f"/v1/items/{item}/picture")
            assert (picture.status_code, picture.content) == (200, make_png(colour))
        added = client.post("/v1/items", files={"pictures": make_png("red")}, data={"keys": ["second"]})
        [second] = added.json()["items"]
        assert client.delete(f"/v1/items/{item}").status_code == 204
        assert client.get(f"/v1/items/{second}/picture").content == make_png("red")


def test_one_wrong_picture_keeps_all_out(collection: Collection) -> None:
    with open_client(collection) as client:
        response = client.post("/v1/items", files=[("pictures", make_png("red")), ("pictures", b"no")])
        assert response.status_code == 422
        assert collection.count() == 0
        assert not (collection.path / "pictures").exists()


def test_keys_and_texts_are_as_many_as_pictures(collection: Collection) -> None:
    with open_client(collection) as client:
        for data in ({"keys": ["a", "b"]}, {"texts": ["a", "b"]}):
            response = client.post("/v1/items", files={"pictures": make_png("red")}, data=data)
            assert (response.status_code, response.json()["type"]) == (400, "urn:nearkin:usage-error")
    assert collection.count() == 0


def test_metadata_are_merged_or_replaced(filled: Collection) -> None:
    with open_client(filled) as client:
        merged = client.patch("/v1/items/1", json={"metadata": {"n": 1}, "text": "a disc"}).json()
        assert (merged["metadata"], merged["text"]) == ({"colour": "black", "n": 1}, "a disc")
        replaced = client.patch("/v1/items/1", json={"metadata": {"m": 2}, "replace": True}).json()
        assert (replaced["metadata"], replaced["text"]) == ({"m": 2}, "a disc")
        assert client.patch("/v1/items/1", json={}).status_code == 400


def test_several_are_removed_with_the_files_that_were_sent_and_no_others(filled: Collection, folder: Path) -> None:
    with open_client(filled) as client:
        sent = client.post("/v1/items", files={"pictures": make_png("pink")}, data={"metadata": '{"colour": "pink"}'})
        [pink] = sent.json()["items"]
        path = Path(client.get(f"/v1/items/{pink}").json()["uri"])
        where = {"colour": {"$in": ["red", "pink"]}}
        assert client.post("/v1/items/remove", json={"items": [1], "where": where}).json() == {"removed": 0}
        assert path.exists()
        assert client.post("/v1/items/remove", json={"where": where, "purge": True}).json() == {"removed": 2}
        assert (path.exists(), (folder / "red.png").exists()) == (False, True)
        assert client.post("/v1/items/remove", json={}).status_code == 400
        assert client.post("/v1/items/remove", json={"where": {}}).json() == {"removed": 4}


def test_all_items_that_meet_a_filter_are_updated_at_once(filled: Collection) -> None:
    with open_client(filled) as client:
        where = {"colour": {"$in": ["red", "blue"]}}
        assert client.patch("/v1/items", json={"metadata": {"warm": 1}, "where": where}).json() == {"updated": 2}
        assert filled.count(where={"warm": 1}) == 2
        assert client.patch("/v1/items", json={"metadata": {"seen": True}, "where": {}}).json() == {"updated": 5}
        assert client.patch("/v1/items", json={"metadata": {"a": 1}}).status_code == 422
        assert client.patch("/v1/items", json={"metadata": {"a": 1}, "where": {"$no": 1}}).status_code == 400


def test_pages_have_numbers_too(discs_client: TestClient) -> None:
    second = discs_client.get("/v1/items", params={"limit": 2, "page": 2}).json()
    assert ([item["id"] for item in second["items"]], second["cursor"]) == ([3, 4], 4)
    for page, where, last in ((4, "{}", 3), (2, '{"colour": "red"}', 1), (2, '{"colour": "none"}', 1)):
        refused = discs_client.get("/v1/items", params={"limit": 2, "page": page, "where": where})
        assert refused.status_code == 400
        assert refused.json()["detail"] == f"there is no page {page}; the last one is {last}"
    assert discs_client.get("/v1/items", params={"page": 1, "where": '{"colour": "none"}'}).json()["items"] == []
    assert discs_client.get("/v1/items", params={"page": 2, "cursor": 3}).status_code == 400


REFUSED: list[dict[str, Any]] = [
    {"metadata": "5"},
    {"metadata": '{"a": '},
    {"metadata": '[{"a": 1}]'},
    {"metadata": '{"a": NaN}'},
    {"metadata": '{"$b": 1}'},
    {"metadata": '{"a": "\\u0000"}'},
    {"metadata": '{"a": "\\ud800"}'},
    {"keys": ["a\0", "b"]},
    {"keys": ["", "b"]},
    {"keys": ["a"]},
    {"texts": ["a\0", "b"]},
    {"texts": ["a", "b", "c"]},
]


@pytest.mark.parametrize("form", REFUSED, ids=str)
def test_a_refused_request_leaves_nothing_behind(collection: Collection, form: dict[str, Any]) -> None:
    with open_client(collection) as client:
        files = [("pictures", ("a.png", make_png("red"))), ("pictures", ("b.png", make_png("blue")))]
        answer = client.post("/v1/items", files=files, data=form)
        assert answer.status_code in (400, 422)
        odd = any(sign in str(form) for sign in ("x00", "u0000", "ud800"))
        assert (answer.status_code == 422) == odd
        assert not list((collection.path / "pictures").rglob("*"))
        assert client.get("/v1/count").json() == {"count": 0}


def test_pictures_that_could_not_be_added_do_not_stay(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_client(collection) as client:
        kept = client.post("/v1/items", files={"pictures": ("a.png", make_png("red"))}, data={"keys": "a"})
        assert kept.status_code == 201
        before = sorted((collection.path / "pictures").rglob("*"))

        def fail(*_: Any, **__: Any) -> None:
            raise WriterBusy("somebody writes")

        monkeypatch.setattr(Collection, "add", fail)
        for key, colour in (("b", "blue"), ("a", "red"), ("a", "green")):
            answer = client.post("/v1/items", files={"pictures": ("a.png", make_png(colour))}, data={"keys": key})
            assert answer.status_code == 503
            assert sorted((collection.path / "pictures").rglob("*")) == before
        assert client.get("/v1/items/1/picture").content == make_png("red")
