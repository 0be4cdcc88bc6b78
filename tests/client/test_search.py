"""How searches are sent; what comes back is compared with a collection's in test_client."""

from __future__ import annotations

import numpy as np
import pytest

from indexers.errors import BadVector
from retrieval import Collection, item, text
from retrieval.client import Client, search
from tests.conftest import vectors
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
    assert (neighbours.ids.shape, str(neighbours.ids.dtype)) == ((1, 7), "int64")
    assert str(neighbours.scores.dtype) == "float32"
    assert neighbours.ids[0, 5:].tolist() == [-1, -1]
    assert neighbours.scores[0, 5:].tolist() == [-np.inf, -np.inf]


def test_many_vectors_are_sent_in_parts(ready_made: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "NUMBERS_PER_REQUEST", 24)
    queries = vectors(10, seed=4)
    with open_client(ready_made, headers={}) as app_client:
        client = Client("http://localhost", transport=AppTransport(app_client))
        neighbours = client.search_many(queries, k=4)
        with pytest.raises(BadVector):
            client.search_many(queries[:, :5])
    expected = ready_made.search_many(queries, k=4)
    assert neighbours.ids.tolist() == expected.ids.tolist()
    assert np.allclose(neighbours.scores, expected.scores)
    assert neighbours.position == expected.position
