"""Reading one moment of the catalogue: items by any name, places, vectors, net changes."""

from __future__ import annotations

import numpy as np
import pytest

from indexers.arrays import split_chunks
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.conditions import FieldTest as Condition
from indexers.catalogue.snapshot import Snapshot
from indexers.types import Arrival, Failure, FoundFile, Space
from tests.conftest import vectors

pytestmark = pytest.mark.databases


def make_file(uri: str, size: int = 10, mtime: int = 20) -> FoundFile:
    return FoundFile(uri, uri, size, mtime, 30)


@pytest.fixture
def space(catalogue: Catalogue) -> Space:
    with catalogue.transaction() as writing:
        return writing.add_space("s", None, {}, "", 8, "cosine")


def put_items(catalogue: Catalogue, space: Space, **keyed: int) -> dict[str, int]:
    """Items with a vector made from a seed."""
    with catalogue.transaction() as writing:
        arrivals = [Arrival(key, vector=vectors(1, seed)[0]) for key, seed in keyed.items()]
        return dict(zip(keyed, [stored.item_id for stored in writing.put(arrivals, space.id)], strict=True))


def test_items_come_in_the_order_asked_for_without_those_that_are_not_there(catalogue: Catalogue, space: Space) -> None:
    ids = put_items(catalogue, space, a=1, b=2, c=3)
    with catalogue.snapshot() as snapshot:
        assert [row.key for row in snapshot.items([ids["c"], 999, ids["a"]])] == ["c", "a"]


def test_many_items_are_read_in_few_statements(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        writing.put([Arrival(f"k{n}", uri=f"/{n}") for n in range(2500)])
    with catalogue.snapshot() as snapshot:
        ids = snapshot.ids().tolist()
        assert ids == list(range(1, 2501))
        assert [row.uris[0] for row in snapshot.items(ids[::-1])] == [f"/{n}" for n in range(2499, -1, -1)]
        assert snapshot.resolve([f"k{n}" for n in range(2500)]) == ids
        assert len(snapshot.hits(ids)) == 2500


def test_pages_go_by_id(catalogue: Catalogue, space: Space) -> None:
    put_items(catalogue, space, a=1, b=2, c=3)
    with catalogue.snapshot() as snapshot:
        first = snapshot.page(None, 0, 2)
        assert [row.key for row in first] == ["a", "b"]
        assert [row.key for row in snapshot.page(None, first[-1].id, 2)] == ["c"]
        assert [row.key for row in snapshot.page(Condition("key", "$eq", "b", of_item=True), 0, 9)] == ["b"]


def test_uris_leave_out_what_vanished_unless_all_has(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        [stored, _] = writing.put([Arrival("a", uri="/1"), Arrival("a", uri="/2")])
    for gone, uris, missing in (([], ("/1", "/2"), False), (["/1"], ("/2",), False), (["/2"], ("/1", "/2"), True)):
        with catalogue.transaction() as writing:
            writing.mark_missing(gone)
        with catalogue.snapshot() as snapshot:
            [row] = snapshot.items([stored.item_id])
            assert (row.uris, row.missing) == (uris, missing)
            assert snapshot.hits([stored.item_id])[stored.item_id].uri == uris[0]


def test_an_item_without_a_place_is_not_missing(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        [stored] = writing.put([Arrival("a")])
    with catalogue.snapshot() as snapshot:
        assert not snapshot.items([stored.item_id])[0].missing
        assert snapshot.hits([stored.item_id])[stored.item_id].uri is None


def test_places_under_a_folder_are_those_below_it_only(catalogue: Catalogue) -> None:
    uris = ["/a", "/a/1", "/a/b/2", "/a0", "/a.jpg", "/ab/3", "/a/ÿ", "/A/1", "/a/gone"]
    with catalogue.transaction() as writing:
        writing.put([Arrival(f"k{n}", uri=uri) for n, uri in enumerate(uris)])
        writing.mark_missing(["/a/gone"])
    with catalogue.snapshot() as snapshot:
        assert snapshot.uris_under(["/a"]) == ["/a", "/a/1", "/a/b/2", "/a/ÿ"]
        assert snapshot.uris_under(["/a/"]) == ["/a/1", "/a/b/2", "/a/ÿ"]
        assert len(snapshot.uris_under(["/"])) == 8
        assert snapshot.uris_under([]) == []


def test_known_places_say_what_they_were_when_they_were_read(catalogue: Catalogue, space: Space) -> None:
    with catalogue.transaction() as writing:
        writing.put(
            [Arrival("a", uri="/a", file=make_file("/a"), vector=vectors(1)[0]), Arrival("b", uri="/b")], space.id
        )
        writing.mark_missing(["/b"])
    with catalogue.snapshot() as snapshot:
        known = snapshot.known_locations(["/a", "/b", "/c"], space.id)
        assert known == {
            "/a": ((1,), 10, 20, 30, None, False, True),
            "/b": ((2,), None, None, None, None, True, False),
        }
        assert not snapshot.known_locations(["/a"], None)["/a"].has_vector
        assert not snapshot.known_locations(["/a"], space.id + 1)["/a"].has_vector


def test_vectors_come_by_id_as_they_were_given(catalogue: Catalogue, space: Space) -> None:
    ids = put_items(catalogue, space, a=1, b=2, c=3)
    with catalogue.snapshot() as snapshot:
        item_ids, data = snapshot.vectors(space.id, [ids["c"], ids["a"], 999])
        assert item_ids.tolist() == [ids["a"], ids["c"]]
        np.testing.assert_array_equal(data, np.concatenate([vectors(1, 1), vectors(1, 3)]))
        assert data.dtype == np.float32
        none, empty = snapshot.vectors(space.id, [999])
        assert (len(none), len(empty)) == (0, 0)


def test_changes_are_the_net_result_of_each_item(catalogue: Catalogue, space: Space) -> None:
    ids = put_items(catalogue, space, a=1, b=2)
    since = read_number(catalogue)
    put_items(catalogue, space, a=5)
    put_items(catalogue, space, a=6, c=3)
    with catalogue.transaction() as writing:
        writing.remove([ids["b"]])
    with catalogue.snapshot() as snapshot:
        changes = snapshot.changes(since, space.id)
        assert [(change.item_id, change.kind) for change in changes] == [
            (ids["a"], "vector set"),
            (ids["b"], "vector removed"),
            (3, "vector set"),
        ]
        assert max(change.number for change in changes) <= snapshot.number
        assert snapshot.changes(snapshot.number, space.id) == []
        assert snapshot.changes(since, space.id + 1) == []


def test_changes_since_the_beginning_are_the_state_itself(catalogue: Catalogue, space: Space) -> None:
    ids = put_items(catalogue, space, a=1, b=2)
    with catalogue.transaction() as writing:
        writing.remove([ids["a"]])
    with catalogue.snapshot() as snapshot:
        assert [change[1:] for change in snapshot.changes(0, space.id)] == [(ids["b"], space.id, "vector set")]


def read_number(catalogue: Catalogue) -> int:
    with catalogue.snapshot() as snapshot:
        return snapshot.number


def test_failures_come_newest_first(catalogue: Catalogue) -> None:
    for uri in ("/1", "/2"):
        with catalogue.transaction() as writing:
            writing.record_failures([(Failure(uri, "broken"), make_file(uri))])
    with catalogue.snapshot() as snapshot:
        assert [failure.uri for failure in snapshot.failures()] == ["/2", "/1"]
        assert snapshot.earlier_failures(["/1", "/3"]) == {"/1": (10, 20, "broken")}
        assert snapshot.failures()[0].at.endswith("Z")


def test_chunks_cover_everything_once() -> None:
    assert [list(part) for part in split_chunks(range(7), 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(split_chunks([])) == []


def test_counts_and_spaces(catalogue: Catalogue, space: Space) -> None:
    put_items(catalogue, space, a=1, b=2)
    with catalogue.snapshot() as snapshot:
        assert isinstance(snapshot, Snapshot)
        assert snapshot.spaces() == [space]
        assert snapshot.vector_counts() == {space.id: 2}
        assert snapshot.follower("flat", space.id) == (0, 0)
        assert snapshot.change_time(snapshot.number) > 0
        assert snapshot.change_time(99) == 0


def test_values_of_a_metadata_key_keep_their_types(catalogue: Catalogue) -> None:
    metadata = [{"a": "x"}, {"a": 2}, {"a": True}, {"a": [1]}, {"a": None}, {"a": {"b": 1}}, {"c": 1}]
    with catalogue.transaction() as writing:
        stored = writing.put([Arrival(key=str(n), metadata=values) for n, values in enumerate(metadata)], None)
    with catalogue.snapshot() as snapshot:
        assert snapshot.metadata_values("a") == {stored[0].item_id: "x", stored[1].item_id: 2, stored[2].item_id: True}
        assert snapshot.metadata_values("a.b") == {stored[5].item_id: 1}
        assert snapshot.metadata_values("d") == {}
        assert snapshot.metadata_keys(10) == ["a", "a.b", "c"]
        assert snapshot.metadata_keys(1) == ["a"]


def test_one_space_is_current_whatever_the_database_says(catalogue: Catalogue, space: Space) -> None:
    """A search that two readers send to one space each would never end."""
    with catalogue.transaction() as writing:
        writing.add_space("other", None, {}, "", space.dimension, "cosine")
    with catalogue.database.connect(writing=True) as connection:
        wrong = "true" if connection.dialect.name == "postgresql" else 2**63 - 1
        connection.exec_driver_sql(f"UPDATE space SET current = {wrong}")
        connection.commit()
    with catalogue.snapshot() as snapshot:
        assert [row.id for row in snapshot.spaces() if row.current] == [snapshot.current_space_id] == [space.id]
