"""Stacks on a server, as a collection has them."""

from __future__ import annotations

import pytest

from indexers.errors import BadQuery, UsageError
from retrieval import Collection
from retrieval.client.client import Client
from tests.server.routes.test_stacks import collection
from tests.support.serving import AppTransport, open_client

__all__ = ["collection"]


def test_stacks_are_those_of_the_collection(collection: Collection) -> None:
    with (
        open_client(collection, headers={}) as app_client,
        Client("http://localhost", transport=AppTransport(app_client)) as client,
    ):
        stacks = client.stacks()
        assert stacks == collection.stacks()
        assert client.stacks("crop") == ()
        other = next(item for item in stacks[0].items if item != stacks[0].cover)
        decision = client.choose_cover(stacks[0], client.get(other).key)
        assert collection.stacks()[0].cover == other
        client.undo(decision)
        assert client.stacks() == stacks
        with pytest.raises(BadQuery, match="no kind of stacks"):
            client.stacks("pile")
        with pytest.raises(UsageError, match="is not in the stack"):
            client.choose_cover(stacks[0], stacks[1].cover)
