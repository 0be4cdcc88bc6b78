"""Stacks over HTTP are those of the collection."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from retrieval import Collection
from tests.bench.series import START, make_burst, write_group
from tests.support import pictures
from tests.support.serving import open_client


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    """Two bursts, a day apart."""
    folder: Path = tmp_path_factory.mktemp("bursts")
    for number in range(2):
        scene = pictures.noise(number, (16, 12)).resize((320, 240))
        files = make_burst(scene, [pictures.noise(9, (60, 60))], np.random.default_rng(number))
        write_group(folder / f"{number}", files, START + timedelta(days=number))
    with Collection.open(folder / "collection", create=True, embedder="tiny") as collection:
        collection.add([folder / "0", folder / "1"])
        yield collection


@pytest.fixture
def client(collection: Collection) -> Iterator[TestClient]:
    with open_client(collection) as client:
        yield client


def test_stacks_come_in_pages(client: TestClient, collection: Collection) -> None:
    stacks = [stack.to_dict() for stack in collection.stacks()]
    assert [stack["kind"] for stack in stacks] == ["burst", "burst"]
    assert client.get("/v1/stacks").json() == {"stacks": stacks, "total": 2, "cursor": None}
    first = client.get("/v1/stacks", params={"limit": 1}).json()
    assert (first["stacks"], first["cursor"]) == (stacks[:1], 1)
    assert client.get("/v1/stacks", params={"kind": "crop"}).json()["stacks"] == []


def test_a_cover_is_chosen_and_taken_back(client: TestClient) -> None:
    stack = client.get("/v1/stacks").json()["stacks"][0]
    other = next(item for item in stack["items"] if item != stack["cover"])
    body = {"kind": stack["kind"], "items": stack["items"], "cover": other}
    made = client.post("/v1/stacks/cover", json=body)
    assert made.status_code == 201
    assert client.get("/v1/stacks").json()["stacks"][0]["cover"] == other
    assert client.delete(f"/v1/decisions/{made.json()['decision']}").status_code == 204
    assert client.get("/v1/stacks").json()["stacks"][0] == stack


def test_what_makes_no_sense_is_a_problem_in_words(client: TestClient) -> None:
    odd = client.get("/v1/stacks", params={"kind": "pile"})
    assert (odd.status_code, "no kind of stacks" in odd.json()["detail"]) == (400, True)
    stack = client.get("/v1/stacks").json()["stacks"][0]
    body = {"kind": "burst", "items": stack["items"], "cover": 10**6}
    assert client.post("/v1/stacks/cover", json=body).status_code == 404
    assert client.post("/v1/stacks/cover", json=body | {"items": [1]}).status_code == 422
