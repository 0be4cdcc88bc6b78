"""Null distributions are drawn when a collection has enough items, and anew when it is twice or half as large."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from indexers.catalogue.chances import StoredNulls
from retrieval import Collection
from tests.search.test_certainty import Wordy, make_rows


def read(collection: Collection, of_texts: bool = False) -> StoredNulls | None:
    view = collection._spaces.current
    assert view is not None
    with collection._catalogue.snapshot() as snapshot:
        return snapshot.chances.find(view.space.id, of_texts)


def describe(collection: Collection, **query: Any) -> list[tuple[int, float | None]]:
    return [(hit.item, hit.chance) for hit in collection.search(**query, k=30)]


def test_it_is_drawn_anew_as_the_collection_doubles(tmp_path: Path) -> None:
    rows = make_rows(600)[0]
    with Collection.open(tmp_path / "c", create=True, clusters=0) as collection:
        drawn = []
        for start, end in ((0, 40), (40, 60), (60, 119), (119, 121), (121, 600)):
            collection.add_vectors(rows[start:end])
            stored = read(collection)
            drawn.append(stored.drawn if stored else None)
        assert drawn == [None, 60, 60, 121, 600]
        collection.remove(list(range(1, 320)))
        collection.catch_up()
        stored = read(collection)
        assert stored is not None
        assert stored.drawn == 281
        assert stored.cohort.min() == 320


@pytest.mark.parametrize("query", [{"item": 1}, {"text": "a dog"}, {"item": 1, "metric": "l2"}])
def test_whoever_opens_it_says_the_same_of_a_hit(tmp_path: Path, query: dict[str, Any]) -> None:
    rows = make_rows(400)[0]
    with Collection.open(tmp_path / "c", create=True, embedder=Wordy(), clusters=0) as collection:
        collection.add_vectors(rows[:300])
        before = describe(collection, **query)
        with Collection.open(tmp_path / "c", embedder=Wordy()) as other:
            assert describe(other, **query) == before
            collection.add_vectors(rows[300:])
            collection.remove(list(range(200, 260)))
            after = describe(collection, **query)
            assert describe(other, **query) == after
        with Collection.open(tmp_path / "c", embedder=Wordy()) as other:
            assert describe(other, **query) == after


def test_the_same_is_said_where_nothing_was_drawn_yet(tmp_path: Path) -> None:
    rows = make_rows(200)[0]
    with Collection.open(tmp_path / "c", create=True, clusters=0) as collection:
        collection.add_vectors(rows, catch_up=False)
        assert read(collection) is None
        before = describe(collection, item=1)
        assert before[0][1] is not None
        with Collection.open(tmp_path / "c") as other:
            assert describe(other, item=1) == before


@pytest.mark.parametrize("column", ["cohort", "nulls"])
@pytest.mark.parametrize("value", [b"", b"\x07" * 33, np.full(4, np.nan).tobytes(), np.array([9e9, 0, 1, 0]).tobytes()])
def test_what_somebody_has_forged_does_no_harm(tmp_path: Path, column: str, value: bytes) -> None:
    with Collection.open(tmp_path / "c", create=True, clusters=0) as collection:
        collection.add_vectors(make_rows(100)[0])
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'c' / 'catalogue.sqlite'}")
    with engine.begin() as writing:
        writing.execute(sa.text(f"UPDATE chance SET {column} = :value"), {"value": value})
    engine.dispose()
    with Collection.open(tmp_path / "c") as collection:
        assert len(describe(collection, item=1)) == 30
