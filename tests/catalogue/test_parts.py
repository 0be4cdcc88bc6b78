"""Parts: written with their vectors, followed by the change log, kept with the item, and none of a replaced picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.parts import Finding, is_sound
from indexers.finders.base import FoundPart
from indexers.types import Arrival, FoundFile, Space

FILE = FoundFile("/a.png", 10, 1, 1, 1)
PARTS = (
    FoundPart((1, 2, 3, 4), np.array([[True, False], [True, True]]), score=0.5),
    FoundPart((5, 6, 7, 8), page=2, start=0.5, end=1.25, text="words"),
)


def put(catalogue: Catalogue, content: bytes, key: str = "key") -> int:
    with catalogue.transaction() as writing:
        return writing.put([Arrival(key, hash=content, uri=f"/{key}.png", file=FILE)])[0].item_id


def find(catalogue: Catalogue, item_id: int, content: bytes, parts: Any = PARTS, version: str = "1") -> Space:
    with catalogue.transaction() as writing:
        spaces = writing.spaces()
        of = spaces[0] if spaces else writing.add_space("tiny", "tiny", {}, "f", 2, "cosine")
        space = writing.add_part_space(of, "tiles")
        vectors = np.arange(1, 2 * len(parts) + 1, dtype=np.float32).reshape(len(parts), 2)
        writing.put_findings("tiles", [Finding(item_id, content, "tiles:2", version, parts, vectors)], space.id)
    return space


@pytest.mark.databases
def test_parts_are_read_as_they_were_written(catalogue: Catalogue) -> None:
    item_id = put(catalogue, b"a" * 20)
    with catalogue.snapshot() as snapshot:
        assert snapshot.parts.unfound("tiles", "tiles:2", "1") == [(item_id, b"a" * 20)]
    space = find(catalogue, item_id, b"a" * 20)
    with catalogue.snapshot() as snapshot:
        assert snapshot.parts.unfound("tiles", "tiles:2", "1") == []
        assert len(snapshot.parts.unfound("tiles", "tiles:2", "2")) == 1
        assert len(snapshot.parts.unfound("tiles", "tiles:3", "1")) == 1
        first, second = snapshot.parts.of_items([item_id])
        assert (first.box, first.mask, first.score) == ((1, 2, 3, 4), "2x2:0 1 1 2", 0.5)
        assert (first.finder, first.version, first.item_id) == ("tiles:2", "1", item_id)
        assert (second.page, second.start, second.end, second.text) == (2, 0.5, 1.25, "words")
        assert snapshot.parts.rows([second.id, 99]) == {second.id: second}
        assert [ids.tolist() for ids in snapshot.parts.find_owners([first.id, 99])] == [[first.id], [item_id]]
        assert snapshot.parts.count() == {"tiles": (1, 2)}
        assert snapshot.parts.finders() == [("tiles", "tiles:2", "1")]
        assert snapshot.parts.unembedded("tiles", space.id) == []
        assert snapshot.parts.unembedded("tiles", 99) == [item_id]
        ids, vectors = snapshot.vectors(space.id, [first.id, second.id])
        assert (ids.tolist(), vectors.tolist()) == ([first.id, second.id], [[1, 2], [3, 4]])


@pytest.mark.databases
def test_no_part_has_the_id_of_an_item(catalogue: Catalogue) -> None:
    ids = [put(catalogue, b"a" * 20, "a")]
    find(catalogue, ids[0], b"a" * 20)
    ids.append(put(catalogue, b"b" * 20, "b"))
    find(catalogue, ids[1], b"b" * 20)
    find(catalogue, ids[0], b"a" * 20, version="2")
    ids.append(put(catalogue, b"c" * 20, "c"))
    with catalogue.snapshot() as snapshot:
        parts = [row.id for row in snapshot.parts.of_items(ids)]
        assert len({*ids, *parts}) == 3 + 4
        assert ids == sorted(ids)
        assert snapshot.ids().tolist() == ids


@pytest.mark.databases
def test_another_picture_has_other_parts(catalogue: Catalogue) -> None:
    item_id = put(catalogue, b"a" * 20)
    space = find(catalogue, item_id, b"a" * 20)
    with catalogue.snapshot() as snapshot:
        before = snapshot.number
        parts = [row.id for row in snapshot.parts.of_items([item_id])]
    put(catalogue, b"b" * 20)
    find(catalogue, item_id, b"a" * 20)  # of the picture that was replaced meanwhile
    with catalogue.snapshot() as snapshot:
        assert snapshot.parts.of_items([item_id]) == []
        assert snapshot.changes(0, space.id) == []
        changes = snapshot.changes(before, space.id)
        assert [(change.item_id, change.kind) for change in changes] == [(id_, "vector removed") for id_ in parts]
        assert snapshot.changed_item_ids(before) == [item_id]
        assert snapshot.parts.unfound("tiles", "tiles:2", "1") == [(item_id, b"b" * 20)]


@pytest.mark.databases
def test_the_trash_keeps_parts_with_their_ids_and_vectors(catalogue: Catalogue) -> None:
    item_id = put(catalogue, b"a" * 20)
    space = find(catalogue, item_id, b"a" * 20)
    with catalogue.snapshot() as snapshot:
        before = snapshot.parts.of_items([item_id])
    with catalogue.transaction() as writing:
        writing.remove([item_id], keep=True)
    with catalogue.snapshot() as snapshot:
        assert snapshot.parts.of_items([item_id]) == []
        assert snapshot.vector_counts() == {}
        assert snapshot.trash.rows()[0].state["parts"]["findings"][0]["finder"] == "tiles:2"
    with catalogue.transaction() as writing:
        writing.restore([item_id])
    with catalogue.snapshot() as snapshot:
        assert snapshot.parts.of_items([item_id]) == before
        assert snapshot.vectors(space.id, [row.id for row in before])[1].tolist() == [[1, 2], [3, 4]]
        assert snapshot.parts.unfound("tiles", "tiles:2", "1") == []


def test_failures_are_tried_again_on_request(catalogue: Catalogue) -> None:
    item_id = put(catalogue, b"a" * 20)
    space = find(catalogue, item_id, b"a" * 20)
    with catalogue.transaction() as writing:
        failed = Finding(item_id, b"a" * 20, "tiles:2", "2", problem="cut off")
        writing.put_findings("tiles", [failed], space.id)
    with catalogue.snapshot() as snapshot:
        assert snapshot.parts.of_items([item_id]) == []
        assert snapshot.parts.unfound("tiles", "tiles:2", "2") == []
        assert len(snapshot.parts.unfound("tiles", "tiles:2", "2", retry_failed=True)) == 1


@pytest.mark.parametrize("state", [None, [], {}, {"findings": [], "parts": [{}]}, {"findings": [1], "parts": []}])
def test_a_state_that_nobody_writes_is_not_sound(state: Any) -> None:
    assert not is_sound(state)
