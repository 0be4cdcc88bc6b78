"""Corrections on a server, as a collection has them."""

from __future__ import annotations

import pytest

from indexers.errors import ClusterNotFound, ItemNotFound, UsageError
from retrieval import Collection
from retrieval.client.client import Client
from tests.server.routes.test_clusters import colours
from tests.support.serving import AppTransport, open_client

__all__ = ["colours"]


def test_corrections_are_those_of_the_collection(colours: Collection) -> None:
    with (
        open_client(colours, headers={}) as app_client,
        Client("http://localhost", transport=AppTransport(app_client)) as client,
    ):
        first, second, *_ = client.clusters()
        one, two = client.get(list(first.members[:2]))
        decisions = [
            client.merge_clusters(first.id or 0, second.id or 0),
            client.split_cluster(first.id or 0, [[one.key, two.id]]),
            client.keep_apart(one.key, two.key),
            client.keep_together([one.id, two.key]),
            client.move_to_cluster(one.key, client.clusters()[0].id or 0),
            client.hide(client.clusters()[0].id or 0),
        ]
        assert client.corrections() == colours.corrections()
        assert [row.decision for row in client.corrections()] == decisions
        assert client.clusters(hidden=True).to_dict() == colours.clusters(hidden=True).to_dict()
        with pytest.raises(ItemNotFound):
            client.keep_apart("nobody", one.key)
        with pytest.raises(ClusterNotFound):
            client.hide(10**6)
        with pytest.raises(UsageError, match="the same cluster"):
            client.merge_clusters(client.clusters()[0].id or 0, client.clusters()[0].id or 0)
        for decision in decisions:
            client.undo(decision)
        assert client.corrections() == ()
