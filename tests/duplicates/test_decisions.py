"""What people decide about duplicates: it lasts, it is about contents, and it can be undone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from indexers.errors import ItemNotFound, UsageError
from retrieval import Collection
from retrieval.records.duplicates import DuplicateGroup
from tests.conftest import vectors
from tests.duplicates.test_finder import library, originals, place
from tests.support import pictures

__all__ = ["library", "originals", "place"]


def test_decisions_last(library: Collection, place: Path, tmp_path: Path) -> None:
    """Over rescans, moved files, metadata and thresholds; until they are taken back."""
    cats, coffees = library.duplicates()
    library.decide(cats, keep=cats.keep)
    a, b = coffees.items[:2]
    decision = library.not_duplicates(a, b)
    shutil.move(place / "coffee.png", place / "moved.png")
    library.sync(place)
    library.update(a, {"seen": True})
    left = library.duplicates(0.3)
    assert all(not {a, b} <= set(group.items) for group in left)
    assert not any(set(group.items) & set(cats.items) for group in left if cats.keep in group.items)
    library.undo(decision)
    assert any({a, b} <= set(group.items) for group in library.duplicates())
    with pytest.raises(UsageError, match="there is no decision"):
        library.undo(decision)
    with pytest.raises(UsageError, match="is not in the group"):
        library.decide(coffees, keep=cats.keep)
    with pytest.raises(UsageError, match="have the same content"):
        library.keep_both(a, a)
    assert library.keep_both(a, b) > decision


def test_decisions_outlive_a_change_of_model(library: Collection) -> None:
    cats, coffees = library.duplicates()
    library.decide(cats, keep=cats.keep)
    library.not_duplicates(*coffees.items[:2])
    before = [group.items for group in library.duplicates()]
    library.fill("tiny")
    library.use("tiny")
    assert [group.items for group in library.duplicates()] == before


def test_to_keep_one_of_three_is_a_decision_about_each_other_one(collection: Collection) -> None:
    collection.add([pictures.disc(colour) for colour in ("red", "green", "blue")], keys=["r", "g", "b"])
    ids = tuple(item.id for item in collection.get(["r", "g", "b"]))
    group = DuplicateGroup(1, "same picture", ids, ids[0], "most pixels", (), 0.9)
    decisions = collection.decide(group, keep="g")
    assert len(set(decisions)) == 2
    with collection._catalogue.snapshot() as snapshot:
        hashes = snapshot.duplicates.content_hashes(ids)
        rows = snapshot.duplicates.decisions()
    assert {frozenset((row.first, row.second)) for row in rows} == {
        frozenset((hashes[ids[1]], hashes[ids[0]])),
        frozenset((hashes[ids[1]], hashes[ids[2]])),
    }
    for decision in decisions:
        collection.undo(decision)
    with collection._catalogue.snapshot() as snapshot:
        assert snapshot.duplicates.decisions() == []


def test_nothing_is_decided_about_items_without_a_picture(ready_made: Collection) -> None:
    with pytest.raises(UsageError, match="is a ready-made vector; decisions need pictures"):
        ready_made.not_duplicates("n0", "n1")
    with pytest.raises(ItemNotFound):
        ready_made.keep_both("n0", "nobody")


def test_two_items_of_the_same_bytes_are_one_picture(collection: Collection) -> None:
    data = pictures.encoded(pictures.disc("red"), "PNG")
    collection.add([data, data], keys=["a", "b"])
    with pytest.raises(UsageError, match="'a' and 'b' have the same content"):
        collection.not_duplicates("a", "b")
    collection.add_vectors(vectors(1, dimension=13), keys=["c"])
    with pytest.raises(UsageError, match="ready-made vector"):
        collection.not_duplicates("a", "c")
