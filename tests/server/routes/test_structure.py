"""Ways, surroundings and summaries over HTTP are those of the collection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from retrieval import Collection
from tests.structure.test_explorer import circle
from tests.support.serving import open_client

__all__ = ["circle"]


@pytest.fixture
def client(circle: Collection) -> Iterator[TestClient]:
    with open_client(circle) as client:
        yield client


def test_a_way_is_that_of_the_collection(client: TestClient, circle: Collection) -> None:
    for kind in ("widest", "shortest"):
        path = circle.path_between(1, 40, kind=kind)
        assert client.get("/v1/path", params={"a": 1, "b": 40, "kind": kind}).json() == path.to_dict()
    assert client.get("/v1/path", params={"a": 1, "b": 10**6}).status_code == 404


def test_what_lies_around_is_that_of_the_collection(client: TestClient, circle: Collection) -> None:
    hits = circle.around([1, "k9"], 3, k=5)
    answer = client.post("/v1/around", json={"items": [1, "k9"], "hops": 3, "k": 5}).json()
    assert answer["hits"] == [hit.to_dict() for hit in hits]
    assert answer["as_of"] == hits.as_of
    problem = client.post("/v1/around", json={"items": [1], "hops": 99})
    assert problem.status_code == 400
    assert "hops is at most 20" in problem.json()["detail"]


def test_a_summary_is_that_of_the_collection(client: TestClient, circle: Collection) -> None:
    body = {"k": 4, "where": {"odd": 1}, "continue_from": ["k3"]}
    summary = circle.summary(4, where={"odd": 1}, continue_from=["k3"])
    assert client.post("/v1/summary", json=body).json() == summary.to_dict()
    cluster = circle.clusters()[0]
    answer = client.post("/v1/summary", json={"k": 2, "within": [cluster.id]}).json()
    assert {hit["item"] for hit in answer["hits"]} <= set(cluster.members)


def test_whoever_may_read_may_ask(circle: Collection, tmp_path: Path) -> None:
    with open_client(circle, read_token="r" * 20, write_token="w" * 20) as client:
        headers = {"Authorization": "Bearer " + "r" * 20}
        assert client.post("/v1/around", json={"items": [1]}, headers=headers).status_code == 200
        assert client.post("/v1/summary", json={"k": 2}, headers=headers).status_code == 200
