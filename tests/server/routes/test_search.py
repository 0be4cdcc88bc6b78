"""Searching over HTTP: by item, vector, upload, mix and words; what the collection holds."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from retrieval import Collection
from tests.support import pictures
from tests.support.serving import READ, WRITE, make_png, open_client


def test_hits_are_those_of_the_collection(discs_client: TestClient, discs: Collection) -> None:
    answer = discs_client.post("/v1/search", json={"item": 1, "k": 3}).json()
    hits = discs.search(item=1, k=3)
    assert answer["hits"] == [hit.to_dict() for hit in hits]
    assert (answer["as_of"], answer["groups"]) == (hits.as_of, [])
    assert [hit["item"] for hit in answer["hits"]] != []


def test_a_picture_is_sent_once_and_asked_with_often(discs_client: TestClient, discs: Collection) -> None:
    content = pictures.encoded(pictures.disc("red"), "PNG")
    sent = discs_client.post("/v1/uploads", files={"picture": content})
    assert sent.status_code == 201
    upload = sent.json()
    assert upload["width"] >= 160
    for body in ({"upload": upload["upload"]}, {"mix": [{"upload": upload["upload"], "weight": 2}]}):
        best = discs_client.post("/v1/search", json={**body, "k": 1}).json()["hits"][0]
        assert discs.get(best["item"]).metadata == {"colour": "red"}
    thumbnail = discs_client.get(f"/v1/uploads/{upload['upload']}/thumbnail")
    with Image.open(io.BytesIO(thumbnail.content)) as image:
        assert max(image.size) <= 160
    assert discs.count() == 5


def test_hits_can_be_cut_by_how_sure_they_are(discs_client: TestClient, discs: Collection) -> None:
    refused = discs_client.post("/v1/search", json={"item": 1, "at_least": "likely"})
    assert (refused.status_code, "it takes 50" in refused.json()["detail"]) == (400, True)
    assert discs_client.post("/v1/search", json={"item": 1}).json()["hits"][0]["certainty"] is None
    random = np.random.default_rng(0)
    added = discs.add_vectors(random.standard_normal((60, len(discs.vectors([1])[1]))), catch_up=False)
    for at_least in ("possible", 100):
        hits = discs_client.post("/v1/search", json={"item": 1, "at_least": at_least, "k": 64}).json()["hits"]
        assert 0 < len(hits) < 64
        assert all(hit["chance"] is not None for hit in hits)
    discs.remove(added.items, purge=True)


def test_filters_and_words_hold(discs_client: TestClient) -> None:
    body = {"item": 1, "where": {"colour": {"$in": ["red", "blue"]}}}
    hits = discs_client.post("/v1/search", json=body).json()["hits"]
    assert {hit["metadata"]["colour"] for hit in hits} == {"red", "blue"}
    hits = discs_client.post("/v1/search", json={"query": "yellow"}).json()["hits"]
    assert [hit["metadata"]["colour"] for hit in hits] == ["yellow"]


@pytest.mark.parametrize(
    ("term", "names"),
    [({}, "got none"), ({"item": 1, "text": "x"}, "got item and text")],
)
def test_a_term_of_a_mix_is_one_thing(discs_client: TestClient, term: dict[str, object], names: str) -> None:
    refused = discs_client.post("/v1/search", json={"mix": [{**term, "weight": 1}]})
    assert refused.status_code == 400
    assert names in refused.json()["detail"]


def test_a_mix_may_hold_items_by_key_and_vectors(discs_client: TestClient, discs: Collection) -> None:
    key, vector = discs.get(2).key, [float(value) for value in discs.vectors([3])[3]]
    body = {"mix": [{"item": key, "weight": 1}, {"vector": vector, "weight": -0.5}], "k": 5}
    answer = discs_client.post("/v1/search", json=body).json()
    from retrieval import item

    assert [hit["item"] for hit in answer["hits"]] == [
        hit.item for hit in discs.search(mix=[(item(key), 1), (vector, -0.5)], k=5)
    ]


def test_an_unknown_upload_is_not_found(discs_client: TestClient) -> None:
    refused = discs_client.post("/v1/search", json={"upload": "x" * 22})
    assert (refused.status_code, refused.json()["type"]) == (404, "urn:nearkin:upload-not-found")
    assert discs_client.get(f"/v1/uploads/{'x' * 22}/thumbnail").status_code == 404


def test_what_the_collection_holds_is_told_without_its_place(discs_client: TestClient, discs: Collection) -> None:
    answer = discs_client.get("/v1/info").json()
    info = discs.info().to_dict()
    assert answer.pop("server") == {
        "version": __import__("retrieval").__version__,
        "writable": True,
        "guarded": False,
        "watching": [],
    }
    assert {**answer, "bytes": 0} == {name: value for name, value in {**info, "bytes": 0}.items() if name != "path"}


def test_each_caller_is_told_whether_it_may_write(discs: Collection) -> None:
    with open_client(discs, headers={}, read_token=READ, write_token=WRITE) as client:
        for token, writable in ((READ, False), (WRITE, True)):
            server = client.get("/v1/info", headers={"Authorization": f"Bearer {token}"}).json()["server"]
            assert (server["writable"], server["guarded"]) == (writable, True)


def test_what_is_no_picture_is_no_upload(discs_client: TestClient) -> None:
    assert discs_client.post("/v1/uploads", files={"picture": b"no picture"}).status_code == 422
    assert discs_client.post("/v1/uploads", files={"picture": make_png("red")}).status_code == 201


def test_clusters_are_named_by_id_by_name_and_as_partitions(discs_client: TestClient, discs: Collection) -> None:
    partition = discs.partitions()[0]
    body = {"item": 1, "within": [{"partition": partition.id}], "k": 9}
    hits = discs_client.post("/v1/search", json=body).json()["hits"]
    assert hits == [hit.to_dict() for hit in discs.search(item=1, within=partition, k=9)]
    without = discs_client.post("/v1/search", json={"item": 1, "exclude": [{"partition": partition.id}]}).json()["hits"]
    assert {hit["item"] for hit in without} == set(range(2, 6)) - set(partition.members)
    for within, sentence in (
        ([{"partition": 999}], "there is no partition 999; `partitions` lists them"),
        (["boats"], "there is no cluster named 'boats'; `clusters` lists them"),
        ([999], "there is no cluster 999; `clusters` lists them"),
    ):
        refused = discs_client.post("/v1/search", json={"item": 1, "within": within})
        assert (refused.status_code, refused.json()["detail"]) == (404, sentence)


def test_diversity_chooses_from_a_pool(discs_client: TestClient, discs: Collection) -> None:
    body = {"item": 1, "diversify": 0.9, "pool": 3, "k": 2}
    hits = discs_client.post("/v1/search", json=body).json()["hits"]
    assert hits == [hit.to_dict() for hit in discs.search(item=1, diversify=0.9, pool=3, k=2)]
    assert "diversify" in discs_client.post("/v1/search", json={"item": 1, "pool": 3}).json()["detail"]


def test_an_upload_counts_once_in_a_mix_with_all_its_weights(discs_client: TestClient) -> None:
    names = [
        discs_client.post("/v1/uploads", files={"picture": make_png(colour)}).json()["upload"]
        for colour in ("red", "blue")
    ]

    def search(*terms: tuple[int, float]) -> list[int]:
        mix = [{"upload": names[place], "weight": weight} for place, weight in terms]
        return [hit["item"] for hit in discs_client.post("/v1/search", json={"mix": mix}).json()["hits"]]

    assert search((0, 1), (1, 2), (0, 1), (1, -1)) == search((0, 2), (1, 1))
    assert search((0, 1), (1, 1), (1, -1)) == search((0, 1))
    mix = [{"upload": names[0], "weight": weight} for weight in (1, -1)]
    assert discs_client.post("/v1/search", json={"mix": mix}).status_code == 400
    mix = [{"upload": f"{number:022}"} for number in range(17)]
    answer = discs_client.post("/v1/search", json={"mix": mix})
    assert (answer.status_code, answer.json()["detail"]) == (400, "a mix takes up to 16 uploads")
