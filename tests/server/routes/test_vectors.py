"""Vectors and texts over HTTP: added all or none, read, searched with by the thousand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from retrieval import Collection
from retrieval.server.routes import vectors
from tests.conftest import vectors as make_vectors
from tests.support.serving import open_client


def test_vectors_are_added_all_or_none(ready_made: Collection) -> None:
    with open_client(ready_made) as client:
        rows = make_vectors(2, seed=1).tolist()
        body = {"vectors": [*rows, None], "keys": ["a", "b", "n0"], "metadata": [{"x": 1}, {}, {}], "texts": ["t"] * 3}
        added = client.post("/v1/vectors", json=body)
        assert (added.status_code, added.json()["added"], len(added.json()["items"])) == (201, 2, 3)
        assert (ready_made.get("a").metadata, ready_made.get("n0").text) == ({"x": 1}, "t")
        before = ready_made.change()
        refused = client.post("/v1/vectors", json={"vectors": [rows[0], [0.0] * 8], "keys": ["c", "d"]})
        assert (refused.status_code, refused.json()["type"]) == (400, "urn:nearkin:bad-vector")
        assert ready_made.change() == before


@pytest.mark.parametrize("body", [{"vectors": [[1.0] * 8], "uris": ["/etc/passwd"]}, {}, {"vectors": [["1"] * 8]}])
def test_nothing_else_is_taken_with_vectors(ready_made: Collection, body: Any) -> None:
    with open_client(ready_made) as client:
        assert client.post("/v1/vectors", json=body).status_code == 422


def test_texts_need_an_embedder_that_reads_words(discs_client: TestClient) -> None:
    refused = discs_client.post("/v1/texts", json={"texts": ["a harbour"]})
    assert (refused.status_code, refused.json()["type"]) == (400, "urn:nearkin:no-text-tower")


def test_vectors_are_read_by_id_and_key(ready_made: Collection) -> None:
    with open_client(ready_made) as client:
        answer = client.post("/v1/items/vectors", json={"items": [2, "n0"]}).json()
        expected = ready_made.vectors([2, "n0"])
        assert {row["item"]: row["vector"] for row in answer["vectors"]} == {
            item: row.tolist() for item, row in expected.items()
        }
        assert client.post("/v1/items/vectors", json={"items": ["nobody"]}).status_code == 404
        assert client.post("/v1/items/vectors", json={"items": [1], "space": "none"}).status_code == 404


def test_many_are_searched_for_at_once(ready_made: Collection) -> None:
    queries = make_vectors(3, seed=2)
    with open_client(ready_made) as client:
        body = {"vectors": queries.tolist(), "k": 30, "where": {"even": True}, "metric": "l2"}
        answer = client.post("/v1/search/many", json=body).json()
    expected = ready_made.search_many(queries, k=30, where={"even": True}, metric="l2")
    assert (answer["ids"], answer["as_of"]) == (expected.ids.tolist(), expected.position)
    assert answer["ids"][0][10:] == [-1] * 20
    assert answer["scores"][0][10:] == [None] * 20
    assert np.allclose([row[:10] for row in answer["scores"]], expected.scores[:, :10])


def test_an_answer_has_a_limit(ready_made: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "MAX_NEIGHBOURS", 10)
    with open_client(ready_made) as client:
        assert client.post("/v1/search/many", json={"vectors": [[1.0] * 8] * 2, "k": 5}).status_code == 200
        refused = client.post("/v1/search/many", json={"vectors": [[1.0] * 8] * 2, "k": 6})
        assert refused.status_code == 400
        assert "at most 10 neighbours; got 2 vectors with k=6" in refused.json()["detail"]


@pytest.mark.parametrize("vectors", [[], [[]], [[1.0]], [[1.0] * 8, [1.0]], [[float("nan")] * 8], [[0.0] * 8]])
def test_what_is_no_vector_is_refused(ready_made: Collection, vectors: Any) -> None:
    with open_client(ready_made) as client:
        text = repr({"vectors": vectors}).replace("'", '"').replace("nan", "NaN")
        refused = client.post("/v1/search/many", content=text, headers={"Content-Type": "application/json"})
        assert refused.status_code in (400, 422)
        assert refused.json()["detail"]
