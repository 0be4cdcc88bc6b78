"""The places of known pictures are found by where they lie and by what they show."""

from __future__ import annotations

from dataclasses import replace

from indexers.catalogue.catalogue import Catalogue
from indexers.types import Arrival
from tests.catalogue.test_transaction import A, B, make_file, make_picture, put_items


def test_places_are_found_by_uri_and_by_content(catalogue: Catalogue) -> None:
    put_items(catalogue, make_picture(A, "/1"), make_picture(A, "/2", key="mine"), make_picture(B, "/3"))
    put_items(catalogue, Arrival("ready-made", uri="/1"))
    with catalogue.snapshot() as snapshot:
        by_content = snapshot.places.find(hashes=[A, A])
        assert [(place.key, place.uri) for place in by_content] == [(A.hex(), "/1"), ("mine", "/2")]
        assert [place.has_own_key for place in by_content] == [False, True]
        assert [place.key for place in snapshot.places.find(["/3", "/1", "/nowhere"])] == [A.hex(), B.hex()]
        assert [place.uri for place in snapshot.places.find(["/1"], [A])] == ["/1", "/2"]
        assert snapshot.places.find() == []


def test_places_tell_what_has_vanished(catalogue: Catalogue) -> None:
    put_items(catalogue, make_picture(A, "/1"), make_picture(A, "/2"))
    with catalogue.transaction() as writing:
        writing.mark_missing(["/1"])
    with catalogue.snapshot() as snapshot:
        assert [place.is_missing for place in snapshot.places.find(hashes=[A])] == [True, False]


def test_a_place_knows_its_file_under_another_name(catalogue: Catalogue) -> None:
    put_items(catalogue, make_picture(A, "/1"))
    with catalogue.snapshot() as snapshot:
        [place] = snapshot.places.find(["/1"])
    moved = make_file("/elsewhere")
    assert place.holds(moved)
    assert not place.holds(replace(moved, inode=31))
    assert not place.holds(replace(moved, mtime_ns=21))
    assert not place._replace(inode=0).holds(replace(moved, inode=0))  # a file system that numbers no files
