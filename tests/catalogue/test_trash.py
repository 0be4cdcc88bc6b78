"""What the trash keeps of removed items, and how they are named."""

from __future__ import annotations

import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.errors import CatalogueDamaged, ItemNotFound
from tests.catalogue.test_transaction import A, B, make_picture, put_items


@pytest.mark.databases
def test_items_are_named_by_id_key_or_uri_the_last_removal_first(catalogue: Catalogue) -> None:
    mug, cup = put_items(catalogue, make_picture(A, "/a", key="mug"), make_picture(B, "/b", key="cup"))
    with catalogue.transaction() as writing:
        writing.remove([mug.item_id, cup.item_id], keep=True)
    [again] = put_items(catalogue, make_picture(A, "/a", key="mug"))
    with catalogue.transaction() as writing:
        writing.remove([again.item_id], keep=True)
    with catalogue.snapshot() as snapshot:
        names = [cup.item_id, "mug", "/b", "/a"]
        assert snapshot.trash.resolve(names) == [cup.item_id, again.item_id]
        assert [row.key for row in snapshot.trash.rows()] == ["mug", "mug", "cup"]
        for name in ("nobody", 99, -1, 2**70):
            with pytest.raises(ItemNotFound, match="no removed item"):
                snapshot.trash.resolve([name])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", "1"),
        ("$.item", "1"),
        ("$.item.width", "[1]"),
        ("$.item.metadata", "[]"),
        ("$.item.odd", "1"),
        ("$.locations", "{}"),
        ("$.locations[0].uri", "{}"),
        ("$.clusters", "[1]"),
        ("$.file", "[]"),
        ("$.file", '{"embedded": 1}'),
    ],
)
def test_a_state_that_no_nearkin_has_written_is_told(catalogue: Catalogue, path: str, value: str) -> None:
    [mug] = put_items(catalogue, make_picture(A, "/a", key="mug"))
    with catalogue.transaction() as writing:
        writing.remove([mug.item_id], keep=True)
        state = f"json_set(state, '{path}', json('{value}'))" if path != "$" else "'{\"item\": 1}'"
        writing._connection.exec_driver_sql(f"UPDATE trash SET state = {state}")
    with catalogue.snapshot() as snapshot, pytest.raises(CatalogueDamaged, match=f"the removed item {mug.item_id}"):
        snapshot.trash.rows()
