"""Spaces over HTTP: listed, switched for everybody, dropped."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from indexers import plugins
from retrieval import Collection
from tests.spaces.test_spaces import Brightness
from tests.support.serving import open_client, wait_for_job


def test_spaces_are_those_of_the_collection(discs_client: TestClient, discs: Collection) -> None:
    assert discs_client.get("/v1/spaces").json() == {"spaces": [space.to_dict() for space in discs.spaces()]}


def test_a_space_is_used_and_the_other_dropped(filled: Collection) -> None:
    filled.fill(Brightness())
    with open_client(filled) as client:
        assert client.delete("/v1/spaces/tiny").status_code == 400
        assert client.post("/v1/spaces/brightness/use").json()["current"] is True
        assert client.get("/v1/info").json()["space"] == "brightness"
        assert client.post("/v1/search", json={"vector": [1.0, 0.0], "k": 1}).json()["hits"]
        assert client.delete("/v1/spaces/tiny").status_code == 204
        assert [space["name"] for space in client.get("/v1/spaces").json()["spaces"]] == ["brightness"]


def test_names_may_hold_slashes(discs_client: TestClient) -> None:
    for method, path in (("POST", "/v1/spaces/onnx:/a/b.onnx/use"), ("DELETE", "/v1/spaces/onnx%3A/a/b.onnx")):
        refused = discs_client.request(method, path)
        assert refused.status_code == 404
        assert refused.json()["detail"] == "there is no space 'onnx:/a/b.onnx'; there are: tiny"


def test_a_space_that_lacks_items_is_used_only_if_that_is_said(filled: Collection) -> None:
    filled.fill(Brightness())
    filled.add_vectors([[1.0] * 13], keys=["extra"])
    with open_client(filled) as client:
        refused = client.post("/v1/spaces/brightness/use", json={"partial": False})
        assert refused.status_code == 400
        assert "lacks the vectors of 1 item" in refused.json()["detail"]
        assert client.post("/v1/spaces/brightness/use", json={"partial": True}).status_code == 200


def test_a_second_space_is_filled_as_a_job(filled: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins.BUILT_IN["nearkin.embedders"], "brightness", "tests.spaces.test_spaces:Brightness")
    with open_client(filled) as client:
        begun = client.post("/v1/spaces", json={"embedder": "brightness"})
        assert begun.status_code == 202
        job = wait_for_job(client, begun.json()["id"])
        assert (job["state"], job["report"]["added"], job["report"]["items"]) == ("done", 5, 5)
        assert [space["vectors"] for space in client.get("/v1/spaces").json()["spaces"]] == [5, 5]
        assert client.get("/v1/info").json()["space"] == "tiny"


@pytest.mark.parametrize("name", ["onnx:/etc/passwd", "timm:resnet26d", "none", "", "../tiny"])
def test_an_embedder_of_a_file_is_not_loaded_for_others(discs_client: TestClient, name: str) -> None:
    before = discs_client.get("/v1/spaces").json()
    refused = discs_client.post("/v1/spaces", json={"embedder": name})
    assert (refused.status_code, repr(name) in refused.json()["detail"]) == (400, True)
    assert discs_client.get("/v1/spaces").json() == before
