"""The map on a server is that of the collection."""

from __future__ import annotations

import numpy as np

from retrieval import Collection
from retrieval.client.client import Client
from tests.server.conftest import discs, discs_folder
from tests.support.serving import AppTransport, open_client

__all__ = ["discs", "discs_folder"]


def test_the_map_is_that_of_the_collection(discs: Collection) -> None:
    with (
        open_client(discs, headers={}) as app_client,
        Client("http://localhost", transport=AppTransport(app_client)) as client,
    ):
        remote, local = client.map(rebuild=True), discs.map()
        for name in ("items", "x", "y", "clusters"):
            assert np.array_equal(getattr(remote, name), getattr(local, name))
        assert (remote.territories, remote.as_of, remote.built) == (local.territories, local.as_of, local.built)
