"""Removing items for a while or for good, and what the change log tells of it."""

from __future__ import annotations

import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.errors import UsageError
from tests.catalogue.test_transaction import A, B, make_picture, put_items, read_item


def test_a_restored_item_has_all_that_it_had(catalogue: Catalogue) -> None:
    [mug] = put_items(catalogue, make_picture(A, "/a", key="mug", metadata={"price": 9}))
    before = read_item(catalogue, mug.item_id)
    with catalogue.transaction() as writing:
        assert writing.remove([mug.item_id, 99], keep=True) == 1
    with catalogue.transaction() as writing:
        assert writing.restore([mug.item_id]) == 1
    assert read_item(catalogue, mug.item_id) == before
    with catalogue.snapshot() as snapshot:
        assert snapshot.trash.rows() == []


def test_what_is_removed_without_keeping_is_gone(catalogue: Catalogue) -> None:
    [mug] = put_items(catalogue, make_picture(A, "/a", key="mug"))
    with catalogue.transaction() as writing:
        writing.remove([mug.item_id])
    with catalogue.snapshot() as snapshot:
        assert snapshot.trash.rows() == []


def test_nothing_is_restored_if_one_of_several_can_not_be(catalogue: Catalogue) -> None:
    mug, cup = put_items(catalogue, make_picture(A, "/a", key="mug"), make_picture(B, "/b", key="cup"))
    with catalogue.transaction() as writing:
        writing.remove([mug.item_id, cup.item_id], keep=True)
    [again] = put_items(catalogue, make_picture(A, "/a", key="mug"))
    with pytest.raises(UsageError, match=f"is that of item {again.item_id} now"), catalogue.transaction() as writing:
        writing.restore([cup.item_id, mug.item_id])
    with catalogue.snapshot() as snapshot:
        assert len(snapshot.trash.rows()) == 2


def test_purging_returns_what_was_there(catalogue: Catalogue) -> None:
    [mug] = put_items(catalogue, make_picture(A, "/a", key="mug"))
    with catalogue.transaction() as writing:
        writing.remove([mug.item_id], keep=True)
        assert [row.key for row in writing.purge([mug.item_id])] == ["mug"]
        assert writing.purge([mug.item_id]) == []
