from __future__ import annotations

import numpy as np

from indexers.catalogue.catalogue import Catalogue
from retrieval.spaces.part_owners import PartOwners, find_items, find_parts_in
from tests.catalogue.test_parts import find, put


def read(owners: PartOwners, catalogue: Catalogue, space_id: int) -> tuple[list[int], list[int]]:
    with catalogue.snapshot() as snapshot:
        ids = np.array([change.item_id for change in snapshot.changes(0, space_id)], np.int64)
        parts, items = owners.advance(snapshot, ids)
        assert find_items((parts, items), ids).tolist() == snapshot.parts.find_owners(ids.tolist())[1].tolist()
        return parts.tolist(), items.tolist()


def test_owners_follow_what_is_found_and_removed(catalogue: Catalogue) -> None:
    owners, items = PartOwners(), [put(catalogue, bytes([n]) * 20, f"k{n}") for n in range(4)]
    for number, item_id in enumerate(items):
        space = find(catalogue, item_id, bytes([number]) * 20)
        parts, found = read(owners, catalogue, space.id)
        assert sorted(set(found)) == items[: number + 1]
        assert parts == sorted(parts)
    with catalogue.transaction() as writing:
        writing.remove(items[:3])
    assert read(owners, catalogue, space.id)[1] == [items[3]] * 2
    held = np.array([5, 6, 9]), np.array([1, 2, 1])
    assert find_items(held, np.array([9, 7, -1])).tolist() == [1, 0, 0]
    assert find_parts_in(held, np.array([1])).tolist() == [5, 9]
    nothing = np.empty(0, np.int64)
    assert find_items((nothing, nothing), np.array([3])).tolist() == [0]
