"""Lessons, suggestions and labels on a server, as a collection has them."""

from __future__ import annotations

import pytest

from indexers.errors import LessonNotFound, UsageError
from retrieval import Collection
from retrieval.client.client import Client
from tests.learning.test_lessons import pets
from tests.support.serving import AppTransport, open_client

__all__ = ["pets"]


def test_they_are_those_of_the_collection(pets: Collection) -> None:
    with (
        open_client(pets, headers={}) as app_client,
        Client("http://localhost", transport=AppTransport(app_client)) as client,
    ):
        assert client.learn("kinds", labels="kind") == pets.lessons()[0]
        options = {"value": "dog", "where": {"place": {"$gt": 30}}}
        assert client.suggest("kinds", 5, **options) == pets.suggest("kinds", 5, **options)
        assert client.doubtful_labels("kinds") == pets.doubtful_labels("kinds")
        decision = client.accept("kinds", "k30", value="dog")
        assert client.lessons()[0].classes["dog"] == 5
        client.undo(decision)
        client.undo(client.reject("cats", ["k1", 2]))
        assert client.lessons() == pets.lessons()
        with pytest.raises(LessonNotFound):
            client.suggest("cats")
        with pytest.raises(UsageError, match="150 labels or more"):
            client.suggest("kinds", at_most_wrong=0.02)
