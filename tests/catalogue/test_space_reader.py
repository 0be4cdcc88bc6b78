from __future__ import annotations

from indexers.catalogue.catalogue import Catalogue
from tests.catalogue.test_parts import find, put


def test_what_is_said_of_items_leaves_parts_out(catalogue: Catalogue) -> None:
    item_id = put(catalogue, b"a" * 20)
    space = find(catalogue, item_id, b"a" * 20)
    with catalogue.snapshot() as snapshot:
        (of,) = snapshot.spaces()
        assert snapshot.vector_counts() == {space.id: 2}
        assert snapshot.misshapen_vectors(space.id, 2) == []
        assert len(snapshot.misshapen_vectors(space.id, 3)) == 2
        assert snapshot.count_changes(0, space.id, 10) == 2
        assert snapshot.changed_item_ids(0) == [item_id]
        assert snapshot.changes(0, of.id) == []
        assert [row.item_id for row in snapshot.unembedded_items(of.id)] == [item_id]
