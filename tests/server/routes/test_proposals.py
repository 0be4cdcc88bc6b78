"""Proposals over HTTP."""

from __future__ import annotations

from starlette.testclient import TestClient

from retrieval import Collection
from tests.server.routes.test_clusters import client, colours

__all__ = ["client", "colours"]


def test_proposals_are_entered_listed_and_settled(client: TestClient, colours: Collection) -> None:
    body = {"kind": "metadata", "items": [1], "metadata": {"tags": ["x"]}, "reason": "why not", "source": "a program"}
    made = client.post("/v1/proposals", json=body)
    assert made.status_code == 201
    assert made.json()["state"] == "open"
    assert client.get("/v1/proposals").json()["proposals"] == [made.json()]
    other = client.post("/v1/proposals", json={"kind": "remove", "items": [2]}).json()
    assert client.post(f"/v1/proposals/{other['id']}/reject").json()["state"] == "rejected"
    assert colours.count() == len(client.get("/v1/items", params={"limit": 1000}).json()["items"])
    assert client.post(f"/v1/proposals/{made.json()['id']}/accept").json()["state"] == "accepted"
    assert colours.get(1).metadata["tags"] == ["x"]
    assert client.get("/v1/proposals").json()["proposals"] == []
    assert len(client.get("/v1/proposals", params={"state": "all"}).json()["proposals"]) == 2
    assert client.post("/v1/proposals/99/accept").status_code == 400
    assert client.post("/v1/proposals", json={"kind": "burn"}).status_code == 400
