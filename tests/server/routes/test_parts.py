"""Parts over HTTP are those of the collection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from retrieval import Collection
from tests.support.discs import place_disc, write_discs
from tests.support.serving import open_client


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    folder: Path = tmp_path_factory.mktemp("parts")
    with Collection.open(folder / "collection", create=True, embedder="tiny") as collection:
        collection.add(write_discs(folder / "discs", 5))
        collection.find_parts("tiles:1")
        yield collection


@pytest.fixture
def client(collection: Collection) -> Iterator[TestClient]:
    with open_client(collection) as client:
        yield client


def test_the_parts_of_an_item_are_listed(client: TestClient, collection: Collection) -> None:
    expected = [part.to_dict() for part in collection.parts(1)]
    assert client.get("/v1/items/1/parts").json() == {"parts": expected}
    assert client.get("/v1/items/1/parts", params={"kind": "faces"}).json() == {"parts": []}
    assert client.get("/v1/items/99/parts").status_code == 404


def test_a_search_by_parts_is_that_of_the_collection(client: TestClient, collection: Collection) -> None:
    box = list(place_disc(0)[2])
    answer = client.post("/v1/search", json={"item": 1, "by": "tiles", "region": box, "k": 3}).json()
    assert answer["hits"] == [hit.to_dict() for hit in collection.search(item=1, by="tiles", region=box, k=3)]
    assert client.post("/v1/search", json={"item": 1, "region": [1, 2]}).status_code == 422
    assert client.post("/v1/search", json={"item": 1, "by": "faces"}).status_code in (400, 422)


@pytest.mark.parametrize("name", ["dogs", "tiles:/etc/passwd", "tiles:x", "../x"])
def test_what_is_no_finder_is_refused(client: TestClient, name: str) -> None:
    assert client.post("/v1/jobs/parts", json={"finders": [name]}).status_code in (400, 404, 422, 503)
