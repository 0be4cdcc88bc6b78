"""Parts on a server, as a collection has them."""

from __future__ import annotations

import pytest

from indexers.errors import BadQuery, ItemNotFound
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


def test_clusters_of_parts_are_those_of_the_collection(collection: Collection) -> None:
    collection.find_parts("tiles:3")
    with (
        open_client(collection, headers={}) as app_client,
        Client("http://localhost", transport=AppTransport(app_client)) as client,
    ):
        ours, theirs = collection.clusters("fine", of="tiles"), client.clusters("fine", of="tiles")
        assert theirs == ours
        assert len(ours) >= 1
        cluster = client.cluster(ours[0].id or 0)
        assert (cluster, cluster.members) == (ours[0], ours[0].members)
        assert cluster.parts(1, 4) == ours[0].parts(1, 4)
        assert cluster.items(1, 4) == ours[0].items(1, 4)
        assert len(cluster.parts(999)) == 0
        assert cluster._repr_html_().count("<img") == len(cluster.representatives)
        assert client.outliers(3, of="tiles") == collection.outliers(3, of="tiles")
        assert client.loose(of="tiles") == collection.loose(of="tiles")
        assert client.cluster_events(of="tiles") == collection.cluster_events(of="tiles")
        assert client.cut(1, of="tiles") == collection.cut(1, of="tiles")
        decision = client.hide(cluster.id or 0)
        assert client.corrections() == collection.corrections()
        client.undo(decision)
        with pytest.raises(BadQuery, match="no parts of the kind 'dogs'"):
            client.clusters(of="dogs")
        with pytest.raises(ItemNotFound):
            client._get_bytes("/v1/parts/999999/thumbnail")
