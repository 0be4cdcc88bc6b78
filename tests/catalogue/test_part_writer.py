from __future__ import annotations

import numpy as np
import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.parts import Finding
from tests.catalogue.test_parts import PARTS, find, put


@pytest.mark.databases
def test_a_space_of_parts_lies_beside_that_of_items_and_goes_with_it(catalogue: Catalogue) -> None:
    item_id = put(catalogue, b"a" * 20)
    space = find(catalogue, item_id, b"a" * 20)
    assert (space.name, space.parts, space.embedder, space.current) == ("tiny/tiles", "tiles", "tiny", False)
    assert find(catalogue, item_id, b"a" * 20) == space
    with catalogue.snapshot() as snapshot:
        (of,) = snapshot.spaces()
        assert [row.id for row in snapshot.part_spaces()] == [space.id]
    with catalogue.transaction() as writing:
        writing.drop_space(of.id)
    with catalogue.snapshot() as snapshot:
        assert (snapshot.spaces(), snapshot.part_spaces(), snapshot.vector_counts()) == ([], [], {})
        assert len(snapshot.parts.of_items([item_id])) == 2


def test_one_kind_replaces_its_own_parts_only(catalogue: Catalogue) -> None:
    item_id = put(catalogue, b"a" * 20)
    find(catalogue, item_id, b"a" * 20)
    with catalogue.transaction() as writing:
        space = writing.add_part_space(writing.spaces()[0], "subject")
        vectors = np.ones((1, 2), np.float32)
        row = Finding(item_id, b"a" * 20, "subject", "1", PARTS[:1], vectors)
        writing.put_findings("subject", [row], space.id)
        writing.put_findings("subject", [row], space.id)
    with catalogue.snapshot() as snapshot:
        assert [row.kind for row in snapshot.parts.of_items([item_id])] == ["subject", "tiles", "tiles"]
        assert len(snapshot.parts.of_items([item_id], "subject")) == 1


def test_parts_that_are_found_again_keep_their_ids(catalogue: Catalogue) -> None:
    item_id = put(catalogue, b"a" * 20)
    space = find(catalogue, item_id, b"a" * 20)
    with catalogue.snapshot() as snapshot:
        before = snapshot.parts.of_items([item_id])
    with catalogue.transaction() as writing:
        vectors = np.full((3, 2), 2, np.float32)
        parts = (PARTS[0]._replace(box=(900, 900, 5, 5)), PARTS[1], PARTS[0])
        writing.put_findings("tiles", [Finding(item_id, b"a" * 20, "tiles", "2", parts, vectors)], space.id)
    with catalogue.snapshot() as snapshot:
        after = {row.id: row.box for row in snapshot.parts.of_items([item_id])}
        new = max(after)
        assert after == {**{row.id: row.box for row in before}, new: (900, 900, 5, 5)}
        assert new > max(row.id for row in before)
        ids, stored = snapshot.vectors(space.id, list(after))
        assert (ids.tolist(), stored.min()) == (sorted(after), 2)
