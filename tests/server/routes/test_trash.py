"""Removed items over HTTP."""

from __future__ import annotations

from pathlib import Path

from retrieval import Collection
from tests.support.serving import make_png, open_client


def test_removed_items_are_listed_restored_and_deleted_for_good(filled: Collection) -> None:
    with open_client(filled) as client:
        assert client.delete("/v1/items/1").status_code == 204
        assert client.post("/v1/items/remove", json={"items": [2]}).json() == {"removed": 1}
        assert [item["id"] for item in client.get("/v1/trash").json()["items"]] == [2, 1]
        assert client.post("/v1/trash/restore", json={"items": [1]}).json() == {"restored": 1}
        assert client.get("/v1/items/1").status_code == 200
        assert client.post("/v1/trash/restore", json={"items": [1]}).status_code == 404
        assert client.post("/v1/trash/restore", json={"items": [True]}).status_code == 422
        assert client.post("/v1/trash/empty", json={}).status_code == 422
        assert client.post("/v1/trash/empty", json={"items": None}).json() == {"deleted": 1}
        assert client.get("/v1/trash").json() == {"items": []}
        assert client.delete("/v1/items/3", params={"purge": True}).status_code == 204
        assert client.get("/v1/trash").json() == {"items": []}


def test_pictures_that_were_sent_stay_as_long_as_they_can_be_restored(filled: Collection) -> None:
    with open_client(filled) as client:
        [pink] = client.post("/v1/items", files={"pictures": make_png("pink")}).json()["items"]
        path = Path(client.get(f"/v1/items/{pink}").json()["uri"])
        client.delete(f"/v1/items/{pink}")
        assert path.exists()
        client.post("/v1/trash/restore", json={"items": [pink]})
        assert client.get(f"/v1/items/{pink}/picture").status_code == 200
        client.delete(f"/v1/items/{pink}", params={"purge": True})
        assert not path.exists()
        assert not path.parent.exists()
