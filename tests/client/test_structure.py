"""Ways, surroundings and summaries on a server, as a collection has them."""

from __future__ import annotations

import pytest

from indexers.errors import BadQuery, ItemNotFound
from retrieval import Collection
from retrieval.client.client import Client
from tests.structure.test_explorer import circle
from tests.support.serving import AppTransport, open_client

__all__ = ["circle"]


def test_they_are_those_of_the_collection(circle: Collection) -> None:
    with (
        open_client(circle, headers={}) as app_client,
        Client("http://localhost", transport=AppTransport(app_client)) as client,
    ):
        assert client.path_between("k0", 40) == circle.path_between("k0", 40)
        assert client.around("k7") == circle.around("k7")
        assert client.around([1, 2], 3, k=4) == circle.around([1, 2], 3, k=4)
        cluster = circle.clusters()[0]
        assert client.summary(3, within=cluster) == circle.summary(3, within=cluster)
        assert client.summary(2, where={"odd": 1}, continue_from=["k4"]) == circle.summary(
            2, where={"odd": 1}, continue_from=["k4"]
        )
        with pytest.raises(ItemNotFound):
            client.path_between("k0", "nobody")
        with pytest.raises(BadQuery, match="hops is at most 20"):
            client.around(1, 30)
