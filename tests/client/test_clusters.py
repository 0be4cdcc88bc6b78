"""What the client sends of clustering algorithms; the methods are compared with a collection's in test_client."""

from __future__ import annotations

from retrieval.client.clusters import encode_method


def test_a_method_is_sent_with_its_parameters() -> None:
    assert encode_method("kmeans") == {"name": "kmeans", "parameters": {}}
    assert encode_method(("kmeans", {"n_init": 3})) == {"name": "kmeans", "parameters": {"n_init": 3}}
