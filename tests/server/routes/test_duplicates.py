"""Duplicates over HTTP: pages of groups, overlays, decisions that are taken back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from retrieval import Collection
from retrieval.server.routes import duplicates
from tests.support import pictures
from tests.support.serving import open_client, wait_for_job


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    """Three pictures, a smaller copy of each, and one picture alone."""
    folder: Path = tmp_path_factory.mktemp("duplicates")
    for number in range(4):
        image = pictures.noise(number, (40, 30)).resize((320, 240))
        image.save(folder / f"{number}.png")
        if number < 3:
            image.resize((240, 180)).save(folder / f"{number}-small.jpg", quality=90)
    with Collection.open(folder / "collection", create=True, embedder="tiny") as collection:
        collection.add(sorted(folder.glob("*.*")))
        yield collection


@pytest.fixture(scope="module")
def client(collection: Collection) -> Iterator[TestClient]:
    with open_client(collection) as client:
        yield client


def read_groups(client: TestClient) -> list[Any]:
    groups: list[Any] = client.get("/v1/duplicates").json()["groups"]
    return groups


def test_groups_are_those_of_the_collection(client: TestClient, collection: Collection) -> None:
    answer = client.get("/v1/duplicates").json()
    assert answer == {
        "groups": [group.to_dict() for group in collection.duplicates()],
        "total": 3,
        "cursor": None,
    }


def test_pages_of_groups_follow_each_other(client: TestClient) -> None:
    first = client.get("/v1/duplicates", params={"limit": 2}).json()
    assert (len(first["groups"]), first["total"], first["cursor"]) == (2, 3, 2)
    second = client.get("/v1/duplicates", params={"limit": 2, "cursor": 2}).json()
    assert (len(second["groups"]), second["cursor"]) == (1, None)
    assert [*first["groups"], *second["groups"]] == read_groups(client)


def test_an_overlay_shows_two_pictures_and_their_difference(client: TestClient) -> None:
    a, b = read_groups(client)[0]["items"]
    response = client.get("/v1/duplicates/overlay", params={"a": a, "b": b})
    assert response.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(response.content)) as image:
        assert image.width > 2 * image.height


@pytest.mark.parametrize("verdict", ["keep", "keep both", "not duplicates"])
def test_a_decision_settles_a_group_until_it_is_undone(client: TestClient, verdict: str) -> None:
    group = read_groups(client)[0]
    body = {"what": verdict, "items": group["items"], "keep": group["keep"] if verdict == "keep" else None}
    decided = client.post("/v1/decisions", json=body)
    assert decided.status_code == 201
    assert group["id"] not in [left["id"] for left in read_groups(client)]
    for decision in decided.json()["decisions"]:
        assert client.delete(f"/v1/decisions/{decision}").status_code == 204
    assert read_groups(client)[0] == group


def test_decisions_without_sense_are_refused(client: TestClient) -> None:
    for body, reason in (
        ({"what": "keep", "items": [1, 2]}, "say which item to keep"),
        ({"what": "keep both", "items": [1, 2, 3]}, "is about two items; got 3"),
    ):
        refused = client.post("/v1/decisions", json=body)
        assert refused.status_code == 400
        assert reason in refused.json()["detail"]
    assert client.post("/v1/decisions", json={"what": "delete", "items": [1, 2]}).status_code == 422


def test_what_is_merged_is_planned_and_undone_with_the_decision(client: TestClient, collection: Collection) -> None:
    group = read_groups(client)[0]
    kept, other = group["keep"], next(item for item in group["items"] if item != group["keep"])
    collection.update(other, {"tags": ["a"], "box": 2})
    collection.update(kept, {"box": 1})
    before = collection.get(kept)
    body = {"groups": [{"items": group["items"], "keep": kept}]}
    (merge,) = client.post("/v1/duplicates/merges", json=body).json()["merges"]
    assert merge == collection.plan_merges([g for g in collection.duplicates() if g.id == group["id"]])[0].to_dict()
    assert {value["key"]: value["is_open"] for value in merge["values"]} == {"tags": False, "box": True}
    decision = {"what": "keep", "items": group["items"], "keep": kept, "merge": True}
    refused = client.post("/v1/decisions", json=decision)
    assert refused.status_code == 400
    assert "nothing was merged: under 'box' they say" in refused.json()["detail"]
    assert read_groups(client)[0] == group
    made = client.post("/v1/decisions", json=decision | {"merge": {"box": other}}).json()["decisions"]
    assert collection.get(kept).metadata == {"box": 2, "tags": ["a"]}
    assert [client.delete(f"/v1/decisions/{made_id}").status_code for made_id in made] == [204]
    assert collection.get(kept) == before
    for wrong in ({"keep": 999}, {"merge": {"box": "sum"}}, {"merge": {"bax": "first"}}):
        groups = [{"items": group["items"], "keep": wrong.pop("keep", kept)}]
        assert client.post("/v1/duplicates/merges", json={"groups": groups, **wrong}).status_code == 400
    both = {"what": "keep both", "items": group["items"], "merge": True}
    assert client.post("/v1/decisions", json=both).status_code == 400
    for item in (kept, other):
        collection.update(item, {}, replace=True)


def test_copies_are_compared_as_a_job(client: TestClient, collection: Collection) -> None:
    job = client.post("/v1/duplicates/find").json()
    report = {"groups": len(collection.duplicates()), "change": collection.change()}
    assert wait_for_job(client, job["id"])["report"] == report


def test_whether_a_picture_is_there_already_is_one_request(client: TestClient, collection: Collection) -> None:
    path = Path(str(collection.get(1).uri))
    expected = [match.to_dict() for match in collection.duplicates_of(path)]
    answer = client.post("/v1/duplicates/of", files={"picture": path.read_bytes()})
    assert answer.json() == {"matches": expected}
    assert len(expected) == 2
    assert (expected[0]["kind"], expected[0]["score"]) == ("same bytes", 1.0)
    strict = client.post("/v1/duplicates/of", files={"picture": path.read_bytes()}, data={"threshold": "1"})
    assert [match for match in expected if match["score"] == 1] == strict.json()["matches"]
    new = pictures.encoded(pictures.noise(99, (160, 120)), "PNG")
    assert client.post("/v1/duplicates/of", files={"picture": new}).json() == {"matches": []}
    assert collection.count() == 7


def test_the_duplicates_of_an_item(client: TestClient, collection: Collection) -> None:
    answer = client.get("/v1/items/1/duplicates").json()
    assert answer == {"matches": [match.to_dict() for match in collection.duplicates_of(1)]}
    assert [match["item"] for match in answer["matches"]] == [2]
    assert client.get(f"/v1/items/{2**40}/duplicates").status_code == 404


@pytest.mark.parametrize("threshold", ["7", "-0.1", "nan", "much"])
def test_a_threshold_is_a_share(client: TestClient, threshold: str) -> None:
    files = {"picture": pictures.encoded(pictures.noise(0, (160, 120)), "PNG")}
    for refused in (
        client.post("/v1/duplicates/of", files=files, data={"threshold": threshold}),
        client.get("/v1/items/1/duplicates", params={"threshold": threshold}),
    ):
        assert refused.status_code in (400, 422)
        assert "threshold" in refused.json()["detail"]


def test_what_is_sent_must_be_a_picture(client: TestClient) -> None:
    assert client.post("/v1/duplicates/of").status_code == 422
    refused = client.post("/v1/duplicates/of", files={"picture": b"no picture"})
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:nearkin:unreadable-picture")


def test_a_request_that_compares_for_long_says_what_to_do_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        pictures.noise(number, (120, 90)).save(tmp_path / f"{number}.png")
    monkeypatch.setattr(duplicates, "COMPARE_SECONDS", 0.0)
    with Collection.open(tmp_path / "collection", create=True, embedder="tiny") as collection:
        collection.add(tmp_path / "0.png")
        collection.add(tmp_path)
        with open_client(collection) as client:
            refused = client.get("/v1/duplicates")
            assert refused.status_code == 503
            assert "steps of comparing pictures are left" in refused.json()["detail"]
            assert client.get("/v1/duplicates", params={"compare": False}).status_code == 200
            monkeypatch.undo()
            assert client.get("/v1/duplicates").json()["total"] == 0
