"""Writing: what becomes of arrivals, places, vectors and failures; each thing done is one change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.snapshot import Snapshot
from indexers.pictures.images import hash_content
from indexers.types import Arrival, Failure, FoundFile, ItemRow, PictureFacts, Space, StoredArrival, Vectors
from retrieval.filters import parse_filter
from tests.conftest import vectors

pytestmark = pytest.mark.databases

A, B, C = (hash_content(letter) for letter in (b"A", b"B", b"C"))
FACTS = PictureFacts(4, 3, "PNG", "2024-05-06T07:08:09")


@pytest.fixture
def space(catalogue: Catalogue) -> Space:
    with catalogue.transaction() as writing:
        return writing.add_space("s", None, {}, "", 8, "cosine")


def put_items(catalogue: Catalogue, *arrivals: Arrival, space: Space | None = None) -> list[StoredArrival]:
    with catalogue.transaction() as writing:
        return writing.put(arrivals, space.id if space else None)


def read_item(catalogue: Catalogue, item: int) -> ItemRow:
    with catalogue.snapshot() as snapshot:
        return snapshot.items([item])[0]


def read_vector(catalogue: Catalogue, space: Space, item: int) -> list[Any]:
    with catalogue.snapshot() as snapshot:
        return snapshot.vectors(space.id, [item])[1].tolist()


def read_log(catalogue: Catalogue, since: int = 0) -> list[tuple[int, int | None, str]]:
    with catalogue.snapshot() as snapshot:
        rows = snapshot._connection.exec_driver_sql("SELECT number, item, space, what FROM change ORDER BY number")
        return [(stored_item[1], stored_item[2], stored_item[3]) for stored_item in rows if stored_item[0] > since]


def read_number(catalogue: Catalogue) -> int:
    with catalogue.snapshot() as snapshot:
        return snapshot.number


def make_file(uri: str, size: int = 10, mtime: int = 20) -> FoundFile:
    return FoundFile(uri, uri, size, mtime, 30)


def make_picture(digest: bytes, uri: str | None = None, seed: int | None = None, **more: Any) -> Arrival:
    vector: Vectors | None = None if seed is None else vectors(1, seed)[0]
    return Arrival(
        hash=digest, facts=FACTS, bytes=1, uri=uri, file=make_file(uri) if uri else None, vector=vector, **more
    )


# ---- keys


def test_a_key_is_made_from_the_hash(catalogue: Catalogue) -> None:
    [stored] = put_items(catalogue, make_picture(A))
    item = read_item(catalogue, stored.item_id)
    assert (item.key, item.hash) == (A.hex(), A)
    assert (item.width, item.height, item.format, item.taken_at) == (4, 3, "PNG", "2024-05-06T07:08:09")


def test_without_hash_and_key_each_arrival_is_its_own_item(catalogue: Catalogue) -> None:
    stored = put_items(catalogue, Arrival(), Arrival())
    assert [stored_item.is_new for stored_item in stored] == [True, True]
    assert len({read_item(catalogue, stored_item.item_id).key for stored_item in stored}) == 2


def test_the_same_bytes_at_a_second_path_are_a_second_location(catalogue: Catalogue) -> None:
    [first] = put_items(catalogue, make_picture(A, "/1"))
    [second] = put_items(catalogue, make_picture(A, "/2"))
    assert second == (first.item_id, False)
    assert read_item(catalogue, first.item_id).uris == ("/1", "/2")


def test_the_same_bytes_twice_in_one_batch_are_one_item(catalogue: Catalogue, space: Space) -> None:
    stored = put_items(
        catalogue, make_picture(A, "/1", 1), make_picture(B, "/2", 2), make_picture(A, "/3", 1), space=space
    )
    assert [stored_item.is_new for stored_item in stored] == [True, True, False]
    assert stored[0].item_id == stored[2].item_id
    assert read_item(catalogue, stored[0].item_id).uris == ("/1", "/3")


def test_the_same_bytes_under_keys_of_their_own_are_items_of_their_own(catalogue: Catalogue) -> None:
    stored = put_items(catalogue, make_picture(A, key="x"), make_picture(A, key="y"), make_picture(A))
    assert len({stored_item.item_id for stored_item in stored}) == 3


def test_ids_are_never_used_again(catalogue: Catalogue) -> None:
    [first] = put_items(catalogue, Arrival("a"))
    with catalogue.transaction() as writing:
        assert writing.remove([first.item_id]) == 1
    [again] = put_items(catalogue, Arrival("a"))
    assert again.is_new
    assert again.item_id > first.item_id


def test_ids_are_given_in_order_of_arrival(catalogue: Catalogue) -> None:
    stored = put_items(catalogue, *(Arrival(f"k{n}") for n in np.random.default_rng(0).permutation(2500)))
    assert [stored_item.item_id for stored_item in stored] == list(range(1, 2501))


# ---- bringing up to date


def test_metadata_is_merged_and_later_keys_win(catalogue: Catalogue) -> None:
    [stored] = put_items(catalogue, Arrival("a", metadata={"x": 1, "y": 1}))
    put_items(catalogue, Arrival("a", metadata={"y": 2, "z": 2}))
    put_items(catalogue, Arrival("a"), Arrival("a", metadata={"z": 3}), Arrival("a", metadata={"z": 4}))
    assert read_item(catalogue, stored.item_id).metadata == {"x": 1, "y": 2, "z": 4}


def test_the_same_key_twice_in_one_new_batch(catalogue: Catalogue, space: Space) -> None:
    stored_item, second = vectors(2)
    stored = put_items(
        catalogue,
        Arrival("a", metadata={"x": 1}, vector=stored_item, text="first"),
        Arrival("a", metadata={"y": 2}, vector=second, text="second"),
        space=space,
    )
    assert stored == [(stored[0].item_id, True), (stored[0].item_id, False)]
    item = read_item(catalogue, stored[0].item_id)
    assert (item.metadata, item.text) == ({"x": 1, "y": 2}, "second")
    assert read_vector(catalogue, space, stored[0].item_id) == [second.tolist()]


def test_what_changes_nothing_is_no_change(catalogue: Catalogue, space: Space) -> None:
    put_items(catalogue, Arrival("a", metadata={"x": 1}, vector=vectors(1)[0]), space=space)
    before = read_number(catalogue)
    put_items(catalogue, Arrival("a", metadata={"x": 1}, vector=vectors(1)[0]), space=space)
    assert read_number(catalogue) == before


def test_filters_follow_the_metadata(catalogue: Catalogue) -> None:
    [stored] = put_items(catalogue, Arrival("a", metadata={"x": 1, "tags": ["p", "q"]}))
    with catalogue.transaction() as writing:
        writing.update(stored.item_id, {"x": 2})
    with catalogue.snapshot() as snapshot:
        assert snapshot.attributes([stored.item_id])[stored.item_id] == {
            ("x", False, 2, None, None),
            ("tags", True, None, "p", None),
            ("tags", True, None, "q", None),
        }


def test_update_merges_or_replaces(catalogue: Catalogue) -> None:
    [stored] = put_items(catalogue, Arrival("a", metadata={"x": 1}, text="old"))
    with catalogue.transaction() as writing:
        writing.update(stored.item_id, {"y": 2})
    assert read_item(catalogue, stored.item_id).metadata == {"x": 1, "y": 2}
    with catalogue.transaction() as writing:
        writing.update(stored.item_id, {"z": 3}, replace=True, text="new")
    item = read_item(catalogue, stored.item_id)
    assert (item.metadata, item.text) == ({"z": 3}, "new")
    with catalogue.transaction() as writing:
        writing.update(stored.item_id, {}, replace=True)
    assert read_item(catalogue, stored.item_id).metadata == {}
    assert read_item(catalogue, stored.item_id).text == "new"


def test_another_picture_under_a_key_drops_the_vectors_of_all_spaces(catalogue: Catalogue, space: Space) -> None:
    with catalogue.transaction() as writing:
        other = writing.add_space("other", None, {}, "", 8, "cosine")
    [stored] = put_items(catalogue, make_picture(A, key="k", seed=1), space=space)
    put_items(catalogue, make_picture(A, key="k", seed=2), space=other)
    since = read_number(catalogue)
    put_items(catalogue, make_picture(B, key="k", seed=3), space=space)
    assert read_item(catalogue, stored.item_id).hash == B
    assert read_vector(catalogue, other, stored.item_id) == []
    assert read_vector(catalogue, space, stored.item_id) == vectors(1, 3).tolist()
    assert (stored.item_id, other.id, "vector removed") in read_log(catalogue, since)
    assert (stored.item_id, space.id, "vector set") in read_log(catalogue, since)
    assert (stored.item_id, space.id, "vector removed") not in read_log(catalogue, since)  # the net result


def test_a_vector_for_a_key_keeps_the_rest(catalogue: Catalogue, space: Space) -> None:
    [stored] = put_items(catalogue, make_picture(A, "/a", seed=1, key="k", metadata={"x": 1}), space=space)
    put_items(catalogue, Arrival("k", vector=vectors(1, 5)[0]), space=space)
    item = read_item(catalogue, stored.item_id)
    assert (item.hash, item.uris, item.metadata, item.width) == (A, ("/a",), {"x": 1}, 4)
    assert read_vector(catalogue, space, stored.item_id) == vectors(1, 5).tolist()


def test_replacing_leaves_nothing_of_what_was_there(catalogue: Catalogue, space: Space) -> None:
    [stored] = put_items(catalogue, make_picture(A, seed=1, key="k", metadata={"x": 1}), space=space)
    with catalogue.transaction() as writing:
        assert writing.put([Arrival("k", metadata={"y": 2})], space.id, replace=True) == [
            StoredArrival(stored.item_id, False)
        ]
    item = read_item(catalogue, stored.item_id)
    assert (item.hash, item.metadata, item.text, item.width) == (None, {"y": 2}, None, None)
    assert read_vector(catalogue, space, stored.item_id) == []
    with catalogue.snapshot() as snapshot:
        assert snapshot.ids(parse_filter({"x": 1})).tolist() == []
        assert snapshot.ids(parse_filter({"y": 2})).tolist() == [stored.item_id]


# ---- places


def test_a_changed_file_moves_to_its_new_item_which_inherits(catalogue: Catalogue, space: Space) -> None:
    [old] = put_items(catalogue, make_picture(A, "/a", 1, metadata={"album": "x", "stars": 3}), space=space)
    [new] = put_items(catalogue, make_picture(B, "/a", 2, metadata={"stars": 5}), space=space)
    assert new.is_new
    assert read_item(catalogue, new.item_id).uris == ("/a",)
    assert read_item(catalogue, new.item_id).metadata == {"album": "x", "stars": 5}
    with catalogue.snapshot() as snapshot:
        assert snapshot.items([old.item_id]) == []
        assert snapshot.vectors(space.id, [old.item_id])[0].tolist() == []
        assert snapshot.table_counts()["attributes"] == 2


def test_the_old_item_of_a_changed_file_stays_where_it_has_another_place(catalogue: Catalogue) -> None:
    [old, _] = put_items(catalogue, make_picture(A, "/a", metadata={"x": 1}), make_picture(A, "/copy"))
    [new] = put_items(catalogue, make_picture(B, "/a"))
    assert read_item(catalogue, old.item_id).uris == ("/copy",)
    assert read_item(catalogue, new.item_id).metadata == {}


def test_a_ready_made_vector_keeps_its_place_beside_a_picture(catalogue: Catalogue) -> None:
    [stored] = put_items(catalogue, Arrival("ready-made", uri="/a"))
    [picture] = put_items(catalogue, make_picture(B, "/a"))
    assert picture.is_new
    assert read_item(catalogue, stored.item_id).uris == read_item(catalogue, picture.item_id).uris == ("/a",)


def test_a_picture_keeps_its_place_beside_a_ready_made_vector(catalogue: Catalogue) -> None:
    [picture] = put_items(catalogue, make_picture(B, "/a"))
    put_items(catalogue, Arrival("ready-made", uri="/a"))
    assert read_item(catalogue, picture.item_id).uris == ("/a",)
    assert not read_item(catalogue, picture.item_id).missing


def test_a_replaced_item_keeps_no_uri(catalogue: Catalogue) -> None:
    [stored] = put_items(catalogue, Arrival("a", uri="/1"), Arrival("b", uri="/1"))[:1]
    with catalogue.transaction() as writing:
        writing.put([Arrival("a", uri="/2")], replace=True)
    assert read_item(catalogue, stored.item_id).uris == ("/2",)
    with catalogue.transaction() as writing:
        writing.put([Arrival("a")], replace=True)
    assert read_item(catalogue, stored.item_id).uris == ()
    with catalogue.snapshot() as snapshot:
        assert snapshot.resolve(["/1"]) == snapshot.resolve(["b"])


def test_what_is_said_of_an_overwritten_picture_stays_with_it(catalogue: Catalogue) -> None:
    first, second = put_items(catalogue, make_picture(A, "/1", metadata={"who": "Anna"}), make_picture(B, "/2"))
    put_items(catalogue, make_picture(B, "/1"))  # a copy of the other one, not an edit
    gone, other = read_item(catalogue, first.item_id), read_item(catalogue, second.item_id)
    assert (gone.uris, gone.missing, gone.metadata) == (("/1",), True, {"who": "Anna"})
    assert (set(other.uris), other.missing, other.metadata) == ({"/1", "/2"}, False, {})
    with catalogue.snapshot() as snapshot:
        assert snapshot.resolve(["/1"]) == [second.item_id]
    put_items(catalogue, make_picture(A, "/1"))
    assert read_item(catalogue, first.item_id).uris == ("/1",)
    assert not read_item(catalogue, first.item_id).missing
    assert read_item(catalogue, second.item_id).uris == ("/2",)


def test_what_is_said_of_a_deleted_picture_stays_with_it_when_the_others_are_renumbered(catalogue: Catalogue) -> None:
    digests = [hash_content(bytes([n])) for n in range(4)]
    pictures = [make_picture(digest, f"/{n}", metadata={"n": n}) for n, digest in enumerate(digests)]
    first, *rest = put_items(catalogue, *pictures)
    put_items(catalogue, *(make_picture(digest, f"/{n}") for n, digest in enumerate(digests[1:])))
    with catalogue.transaction() as writing:
        writing.mark_missing(["/3"])
    assert read_item(catalogue, first.item_id).missing
    for n, stored in enumerate(rest):
        row = read_item(catalogue, stored.item_id)
        assert (row.uris, row.missing, row.metadata) == ((f"/{n}",), False, {"n": n + 1})


@pytest.mark.parametrize("count", [2, 3, 5])
def test_files_that_change_names_among_themselves_stay_what_they_are(
    catalogue: Catalogue, space: Space, count: int
) -> None:
    digests = [hash_content(bytes([n])) for n in range(count)]
    first = put_items(
        catalogue,
        *(make_picture(digest, f"/{n}", n, metadata={"n": n}) for n, digest in enumerate(digests)),
        space=space,
    )
    turned = put_items(
        catalogue,
        *(make_picture(digest, f"/{(n + 1) % count}") for n, digest in enumerate(digests)),
        space=space,
    )
    assert [stored_item.item_id for stored_item in turned] == [stored_item.item_id for stored_item in first]
    for n, stored_item in enumerate(first):
        assert read_item(catalogue, stored_item.item_id).uris == (f"/{(n + 1) % count}",)
        assert read_item(catalogue, stored_item.item_id).metadata == {"n": n}
        assert len(read_vector(catalogue, space, stored_item.item_id)) == 1


def test_a_file_that_changes_twice_in_one_batch_ends_with_the_last(catalogue: Catalogue) -> None:
    put_items(catalogue, make_picture(A, "/a", metadata={"x": 1}))
    stored = put_items(catalogue, make_picture(B, "/a"), make_picture(C, "/a"))
    assert read_item(catalogue, stored[1].item_id).uris == ("/a",)


def test_what_vanished_and_comes_back_is_a_change(catalogue: Catalogue) -> None:
    [stored] = put_items(catalogue, make_picture(A, "/a"))
    with catalogue.transaction() as writing:
        writing.mark_missing(["/a"])
    assert read_item(catalogue, stored.item_id).missing
    since = read_number(catalogue)
    with catalogue.transaction() as writing:
        writing.mark_present([make_file("/a", 11, 21)])
    assert not read_item(catalogue, stored.item_id).missing
    assert read_log(catalogue, since) == [(stored.item_id, None, "changed")]
    with catalogue.snapshot() as snapshot:
        known = snapshot.known_locations(["/a"], None)["/a"]
        assert (known.item_ids, known.size, known.mtime_ns, known.is_missing) == ((stored.item_id,), 11, 21, False)


def test_the_files_of_items_vanish_whatever_lies_in_their_places(catalogue: Catalogue) -> None:
    gone, here = put_items(catalogue, make_picture(A, "/a"), make_picture(hash_content(b"other"), "/b"))
    with catalogue.transaction() as writing:
        writing.mark_missing(["/a"])
        writing.put([Arrival(key=read_item(catalogue, here.item_id).key, uri="/a")])
        writing.mark_items_missing([gone.item_id])
    assert read_item(catalogue, gone.item_id).missing
    assert not read_item(catalogue, here.item_id).missing


# ---- removing


def test_removing_takes_all_that_hangs_on_an_item(catalogue: Catalogue, space: Space) -> None:
    stored = put_items(catalogue, make_picture(A, "/a", 1, metadata={"x": 1}), make_picture(B, "/b", 2), space=space)
    since = read_number(catalogue)
    with catalogue.transaction() as writing:
        assert writing.remove([stored[0].item_id, 999]) == 1
    with catalogue.snapshot() as snapshot:
        assert snapshot.table_counts() == {"items": 1, "locations": 1, "attributes": 0, "failures": 0, "missing": 0}
        assert snapshot.vector_counts() == {space.id: 1}
    assert read_log(catalogue, since) == [
        (stored[0].item_id, space.id, "vector removed"),
        (stored[0].item_id, None, "removed"),
    ]


# ---- changes


def test_each_thing_done_is_logged_once_in_order(catalogue: Catalogue, space: Space) -> None:
    arrivals = Arrival("a", metadata={"x": 1}, vector=vectors(1)[0]), Arrival("a", metadata={"x": 2})
    stored, _ = put_items(catalogue, *arrivals, space=space)
    assert read_log(catalogue) == [(stored.item_id, None, "added"), (stored.item_id, space.id, "vector set")]


def test_numbers_have_no_gaps(catalogue: Catalogue) -> None:
    for n in range(5):
        put_items(catalogue, Arrival(f"a{n}"), Arrival(f"b{n}"))
    with catalogue.snapshot() as snapshot:
        numbers = snapshot._connection.exec_driver_sql("SELECT number FROM change ORDER BY number").scalars().all()
    assert numbers == list(range(1, 11))


# ---- failures, settings, spaces


def test_failures_are_counted_and_struck_off_by_success(catalogue: Catalogue) -> None:
    for reason in ("broken", "still broken"):
        with catalogue.transaction() as writing:
            writing.record_failures([(Failure("/a", reason), make_file("/a"))])
    with catalogue.snapshot() as snapshot:
        [failed] = snapshot.failures()
        assert (failed.attempts, failed.reason) == (2, "still broken")
    put_items(catalogue, make_picture(A, "/a"))
    with catalogue.snapshot() as snapshot:
        assert snapshot.failures() == []


def test_failures_can_be_forgiven(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        writing.record_failures([(Failure("a key", "broken"), None), (Failure("/b", "broken"), None)])
    with catalogue.transaction() as writing:
        writing.clear_failures(["a key", "never there"])
    with catalogue.snapshot() as snapshot:
        assert [failure.uri for failure in snapshot.failures()] == ["/b"]


def test_describing_again_writes_what_filters_read(catalogue: Catalogue) -> None:
    stored = put_items(catalogue, Arrival("a", metadata={"x": 1}), Arrival("b", metadata={"x": 2}))
    with catalogue.transaction() as writing:
        writing._connection.exec_driver_sql("DELETE FROM attribute")
        writing.reindex([stored_item.item_id for stored_item in stored])
    with catalogue.snapshot() as snapshot:
        assert read_numbers(snapshot, [stored_item.item_id for stored_item in stored]) == [1, 2]


def read_numbers(snapshot: Snapshot, ids: Sequence[int]) -> list[Any]:
    rows = snapshot.attributes(ids)
    return [number for item_id in ids for _, _, number, _, _ in rows[item_id]]
