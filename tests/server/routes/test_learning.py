"""Lessons, suggestions and labels over HTTP are those of the collection."""

from __future__ import annotations

from retrieval import Collection
from tests.learning.test_lessons import pets
from tests.support.serving import open_client

__all__ = ["pets"]


def test_what_is_learned_suggests(pets: Collection) -> None:
    with open_client(pets) as client:
        made = client.post("/v1/lessons", json={"name": "kinds", "labels": "kind", "method": "centroid"})
        assert (made.status_code, made.json()) == (201, pets.lessons()[0].to_dict())
        assert client.get("/v1/lessons").json() == {"lessons": [made.json()]}
        answer = client.get("/v1/suggestions", params={"lesson": "kinds", "k": 3}).json()
        assert answer == pets.suggest("kinds", 3).to_dict()
        item = answer["suggestions"][0]["hit"]["item"]
        given = client.post("/v1/labels", json={"lesson": "kinds", "items": [item], "accepted": False, "value": "cat"})
        assert given.status_code == 201
        assert client.delete(f"/v1/decisions/{given.json()['decisions'][0]}").status_code == 204
        assert client.get("/v1/suggestions", params={"lesson": "none"}).status_code == 404
        assert client.post("/v1/lessons", json={"name": "none", "labels": "nothing"}).status_code == 400
