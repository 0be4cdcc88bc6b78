"""`{"$sees": "dog"}`: filters by what pictures show, wherever a filter is taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from indexers.errors import BadFilter, NoTextTower
from retrieval import Collection
from retrieval.search.sight import resolve_sight
from tests.search.test_certainty import DIMENSION, Wordy, make_rows


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """400 vectors, of which 20 show dogs and 10 cats."""
    rows, _ = make_rows(400)
    embedder = Wordy()
    dog, cat = embedder.embed_texts(["dog", "cat"])
    rows[:20] = dog + 0.15 * rows[:20]
    rows[20:30] = cat + 0.15 * rows[20:30]
    with Collection.open(tmp_path_factory.mktemp("seen"), create=True, embedder=embedder, clusters=0) as collection:
        collection.add_vectors(rows, metadata=[{"even": n % 2 == 0} for n in range(len(rows))])
        yield collection


def list_ids(collection: Collection, where: Any) -> list[int]:
    return [item.id for item in collection.walk(where=where)]


def test_what_shows_it_is_found_and_hardly_anything_else(animals: Collection) -> None:
    seen = set(list_ids(animals, {"$sees": "dog"}))
    assert set(range(1, 21)) <= seen
    assert len(seen) <= 24
    assert animals.count(where={"$sees": "cat"}) in range(10, 14)
    assert animals.count(where={"$sees": "aeroplane"}) <= 2


def test_it_goes_with_other_conditions_in_every_verb(animals: Collection) -> None:
    dogs = set(list_ids(animals, {"$sees": "dog"}))
    even = set(list_ids(animals, {"even": True}))
    everything = set(range(1, 401))
    assert set(list_ids(animals, {"$sees": "dog", "even": True})) == dogs & even
    assert set(list_ids(animals, {"$not": {"$sees": "dog"}})) == everything - dogs
    cats = set(list_ids(animals, {"$sees": "cat"}))
    assert set(list_ids(animals, {"$or": [{"$sees": "dog"}, {"$sees": "cat"}]})) == dogs | cats
    assert set(list_ids(animals, {"$sees": "dog", "id": {"$lte": 5}})) == dogs & set(range(1, 6))
    assert {hit.item for hit in animals.search(item=25, k=400, where={"$sees": "dog"})} == dogs
    assert {item.id for item in animals.items(where={"$sees": "cat"})} == cats
    found = animals.search_many(np.ones((1, DIMENSION)), k=400, where={"$sees": "dog"}).ids[0]
    assert set(found[found >= 0].tolist()) == dogs
    assert len(animals.to_pandas(where={"$sees": "cat"})) == len(cats)


def test_what_is_wrong_is_said(animals: Collection, tmp_path: Any) -> None:
    for value in (7, "", " ", None, ["dog"]):
        with pytest.raises(BadFilter, match=r"\$sees takes words"):
            animals.count(where={"$sees": value})
    with pytest.raises(BadFilter, match=r"unknown operator '\$sees' at 'tags'"):
        animals.count(where={"tags": {"$sees": "dog"}})
    with Collection.open(tmp_path / "a", create=True, embedder="classic", clusters=0) as collection:
        assert collection.count(where={"$sees": "dog"}) == 0
        collection.add_vectors(np.ones((60, 734)) + np.eye(734)[:60])
        with pytest.raises(NoTextTower):
            collection.count(where={"$sees": "dog"})
    with Collection.open(tmp_path / "b", create=True, embedder=Wordy(), clusters=0) as collection:
        collection.add_vectors(make_rows(30)[0])
        with pytest.raises(BadFilter, match="30 are too few; it takes 50"):
            collection.count(where={"$sees": "dog"})


def test_a_filter_without_it_stays_as_it_is() -> None:
    where = {"a": 1, "$or": [{"b": {"$gt": 2}}, {"$not": {"c": 3}}]}
    assert resolve_sight(where, lambda _: np.empty(0, np.int64)) == where
    assert resolve_sight(None, lambda _: np.empty(0, np.int64)) is None
