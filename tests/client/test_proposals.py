"""Proposals on a server, as a collection has them."""

from __future__ import annotations

import pytest

from indexers.errors import UsageError
from retrieval import Collection
from retrieval.client.client import Client
from tests.server.routes.test_clusters import colours
from tests.support.serving import AppTransport, open_client

__all__ = ["colours"]


def test_proposals_are_those_of_the_collection(colours: Collection) -> None:
    with (
        open_client(colours, headers={}) as app_client,
        Client("http://localhost", transport=AppTransport(app_client)) as client,
    ):
        cluster = client.clusters()[0]
        row = client.propose("rename", clusters=cluster.id, name="boats", reason="why not", source="a test")
        client.propose("remove", items=client.get(1).key)
        assert client.proposals() == colours.proposals()
        assert client.accept_proposal(row.id) == colours.proposals("accepted")[0]
        assert client.cluster("boats").id == cluster.id
        assert client.reject_proposal(client.proposals()[0].id).state == "rejected"
        assert client.proposals(None) == colours.proposals(None)
        with pytest.raises(UsageError, match="there is no proposal 99"):
            client.reject_proposal(99)
