"""Removed items on a server, as a collection has them."""

from __future__ import annotations

import pytest

from indexers.errors import ItemNotFound
from retrieval import Collection
from retrieval.client.client import Client
from tests.support.serving import AppTransport, open_client


def test_removed_items_are_those_of_the_collection(filled: Collection) -> None:
    with (
        open_client(filled, headers={}) as app_client,
        Client("http://localhost", transport=AppTransport(app_client)) as client,
    ):
        key = client.get(1).key
        client.remove([1, 2])
        assert client.trash() == filled.trash()
        assert client.restore(key) == 1
        with pytest.raises(ItemNotFound, match="no removed item"):
            client.restore(1)
        assert client.empty_trash([2]) == 1
        client.remove(3, purge=True)
        assert client.empty_trash() == 0
