"""Corrections of clusters over HTTP do what the library does."""

from __future__ import annotations

from starlette.testclient import TestClient

from retrieval import Collection
from tests.server.routes.test_clusters import client, colours

__all__ = ["client", "colours"]


def test_clusters_are_corrected_listed_and_undone(client: TestClient, colours: Collection) -> None:
    before = client.get("/v1/clusters", params={"level": "medium"}).json()["clusters"]
    first, second = before[0]["id"], before[1]["id"]
    made = client.post("/v1/corrections", json={"kind": "merge", "clusters": [first, second]})
    assert made.status_code == 201
    [decision] = made.json()["decisions"]
    assert len(client.get("/v1/clusters").json()["clusters"]) == len(before) - 1
    [row] = client.get("/v1/corrections").json()["corrections"]
    assert (row["decision"], row["kind"], row["exception"]) == (decision, "merge", "")
    assert client.delete(f"/v1/decisions/{decision}").status_code == 204
    assert len(client.get("/v1/clusters").json()["clusters"]) == len(before)
    one, two = colours.cluster(first).members[:2]
    for body in (
        {"kind": "apart", "items": [one, two]},
        {"kind": "together", "items": [one, two]},
        {"kind": "move", "items": [one], "clusters": [second]},
        {"kind": "split", "clusters": [second], "into": [colours.cluster(second).members[:2]]},
        {"kind": "hide", "clusters": [second]},
    ):
        assert client.post("/v1/corrections", json=body).status_code == 201, body
    shown = {cluster["id"] for cluster in client.get("/v1/clusters").json()["clusters"]}
    everything = client.get("/v1/clusters", params={"hidden": True}).json()["clusters"]
    assert shown == {cluster["id"] for cluster in everything if not cluster["hidden"]}
    assert len(client.get("/v1/corrections").json()["corrections"]) == 5


def test_what_makes_no_sense_is_a_problem_in_words(client: TestClient) -> None:
    for body, detail in (
        ({"kind": "merge", "clusters": [1]}, "'merge' takes 2 clusters; got 1"),
        ({"kind": "apart", "items": [1]}, "'apart' is about two items; got 1"),
    ):
        answer = client.post("/v1/corrections", json=body)
        assert answer.status_code == 400
        assert answer.json()["detail"] == detail
    assert client.post("/v1/corrections", json={"kind": "hide", "clusters": [10**6]}).status_code == 404
    assert client.post("/v1/corrections", json={"kind": "burn", "clusters": [1]}).status_code == 422
