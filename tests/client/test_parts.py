"""Parts on a server, as a collection has them."""

from __future__ import annotations

import pytest

from indexers.errors import ItemNotFound
from retrieval import Collection
from retrieval.client.client import Client
from tests.server.routes.test_parts import collection
from tests.support.serving import AppTransport, open_client

__all__ = ["collection"]


def test_parts_are_those_of_the_collection(collection: Collection) -> None:
    with (
        open_client(collection, headers={}) as app_client,
        Client("http://localhost", transport=AppTransport(app_client)) as client,
    ):
        report = client.find_parts(["regions", "tiles:1"])
        assert (report.items, report.failed) == (5, 0)
        assert client.parts(1) == collection.parts(1)
        assert client.parts(collection.get(1).key, "regions") == collection.parts(1, "regions")
        hits = client.search(item=1, by="regions", k=3)
        assert hits == collection.search(item=1, by="regions", k=3)
        assert hits[0].part is not None
        with pytest.raises(ItemNotFound):
            client.parts(99)
