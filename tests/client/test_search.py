"""How searches are sent; what comes back is compared with a collection's in test_client."""

from __future__ import annotations

import numpy as np

from retrieval import Collection, item, text
from retrieval.client import Client
from tests.support.serving import AppTransport, make_png, open_client


def test_terms_of_a_mix_are_sent_by_their_kind(filled: Collection) -> None:
    with open_client(filled, headers={}) as app_client:
        client = Client("http://localhost", transport=AppTransport(app_client))
        assert client._encode_term(text("snow")) == {"text": "snow"}
        assert client._encode_term(item("red")) == {"item": "red"}
        assert client._encode_term(np.ones(2)) == client._encode_term([1, 1]) == {"vector": [1.0, 1.0]}
        assert set(client._encode_term(make_png("red"))) == {"upload"}


def test_neighbours_beyond_the_last_are_marked(filled: Collection) -> None:
    with open_client(filled, headers={}) as app_client:
        client = Client("http://localhost", transport=AppTransport(app_client))
        neighbours = client.search_many(np.ones(13, np.float32), k=7)
    assert (neighbours.ids.shape, neighbours.ids.dtype, neighbours.scores.dtype) == ((1, 7), np.int64, np.float32)
    assert neighbours.ids[0, 5:].tolist() == [-1, -1]
    assert neighbours.scores[0, 5:].tolist() == [-np.inf, -np.inf]
