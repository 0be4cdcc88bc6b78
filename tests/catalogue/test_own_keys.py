"""To which items with keys of their own a file belongs: those that have it, had it, or lost a file of its content."""

from __future__ import annotations

from indexers.catalogue.catalogue import Catalogue
from indexers.types import Failure
from tests.catalogue.test_transaction import A, B, C, make_file, make_picture, put_items, read_item


def mark_missing(catalogue: Catalogue, *uris: str) -> None:
    with catalogue.transaction() as writing:
        writing.mark_missing(uris)


def test_the_edited_file_of_an_item_with_a_key_of_its_own_is_its_new_picture(catalogue: Catalogue) -> None:
    mug, cup = put_items(
        catalogue,
        make_picture(A, "/a", key="mug", metadata={"price": 9}),
        make_picture(A, "/a", key="cup", metadata={"price": 4}),
    )
    [edited] = put_items(catalogue, make_picture(B, "/a"))
    assert (edited.item_id, edited.is_new) == (mug.item_id, False)
    for stored, price in ((mug, 9), (cup, 4)):
        row = read_item(catalogue, stored.item_id)
        assert (row.uris, row.hash, row.metadata) == (("/a",), B, {"price": price})
    put_items(catalogue, make_picture(A, "/a", key="mug"))  # given for the one, it is the other's picture too
    assert {read_item(catalogue, stored.item_id).hash for stored in (mug, cup)} == {A}


def test_a_vanished_file_is_found_again_by_its_content(catalogue: Catalogue) -> None:
    [mug] = put_items(catalogue, make_picture(A, "/a", 1, key="mug"))
    mark_missing(catalogue, "/a")
    assert put_items(catalogue, make_picture(A, "/b", 1)) == [(mug.item_id, False)]
    row = read_item(catalogue, mug.item_id)
    assert (row.uris, row.missing) == (("/b",), False)


def test_of_two_vanished_files_the_one_of_the_same_inode_or_name_comes_back(catalogue: Catalogue) -> None:
    mug, cup, pot = put_items(
        catalogue,
        make_picture(A, "/old/mug", key="mug"),
        make_picture(A, "/old/cup", key="cup"),
        make_picture(A, "/old/pot", key="pot"),
    )
    mark_missing(catalogue, "/old/mug", "/old/cup", "/old/pot")
    arrivals = put_items(
        catalogue, make_picture(A, "/new/pot"), make_picture(A, "/new/cup"), make_picture(A, "/new/else")
    )
    assert [stored.item_id for stored in arrivals] == [pot.item_id, cup.item_id, mug.item_id]


def test_a_file_that_is_there_is_not_taken_for_a_vanished_one(catalogue: Catalogue) -> None:
    mug, cup = put_items(catalogue, make_picture(A, "/mug", key="mug"), make_picture(A, "/cup", key="cup"))
    mark_missing(catalogue, "/cup")
    put_items(catalogue, make_picture(A, "/mug"))  # touched, and the same
    assert read_item(catalogue, mug.item_id).uris == ("/mug",)
    assert read_item(catalogue, cup.item_id).missing


def test_a_copy_is_no_file_of_an_item_with_a_key_of_its_own(catalogue: Catalogue) -> None:
    [mug] = put_items(catalogue, make_picture(A, "/mug", key="mug"))
    [copy] = put_items(catalogue, make_picture(A, "/copy"))
    assert copy.is_new
    assert read_item(catalogue, mug.item_id).uris == ("/mug",)


def test_a_file_that_could_not_be_read_is_still_the_one_of_its_item(catalogue: Catalogue) -> None:
    [mug] = put_items(catalogue, make_picture(A, "/mug", key="mug"))
    with catalogue.transaction() as writing:
        writing.record_failures([(Failure("/mug", "half written"), make_file("/mug"))])
    assert put_items(catalogue, make_picture(B, "/mug")) == [(mug.item_id, False)]
    assert (read_item(catalogue, mug.item_id).hash, read_item(catalogue, mug.item_id).missing) == (B, False)


def test_what_comes_back_after_another_picture_has_had_its_name_is_itself(catalogue: Catalogue) -> None:
    [mug] = put_items(catalogue, make_picture(A, "/mug", key="mug"))
    mark_missing(catalogue, "/mug")
    [other] = put_items(catalogue, make_picture(B, "/mug"))
    assert (other.is_new, read_item(catalogue, mug.item_id).missing) == (True, True)
    assert put_items(catalogue, make_picture(A, "/mug")) == [(mug.item_id, False)]
    assert not read_item(catalogue, mug.item_id).missing
    assert read_item(catalogue, other.item_id).missing


def test_the_other_files_of_an_item_with_another_picture_are_let_go(catalogue: Catalogue) -> None:
    [mug, _] = put_items(catalogue, make_picture(A, "/1", key="mug"), make_picture(A, "/2", key="mug"))
    assert read_item(catalogue, mug.item_id).uris == ("/1", "/2")
    put_items(catalogue, make_picture(B, "/1"))
    assert read_item(catalogue, mug.item_id).uris == ("/1",)
    assert put_items(catalogue, make_picture(A, "/2"))[0].is_new


def test_the_other_files_of_an_item_may_be_edited_alike(catalogue: Catalogue) -> None:
    [mug, _] = put_items(catalogue, make_picture(A, "/1", key="mug"), make_picture(A, "/2", key="mug"))
    with catalogue.transaction() as writing:
        writing.put([make_picture(B, "/1")], more_follow=True)
        writing.put([make_picture(B, "/2")])
    assert read_item(catalogue, mug.item_id).uris == ("/1", "/2")


def test_a_picture_that_is_no_file_takes_the_place_of_one(catalogue: Catalogue) -> None:
    [mug] = put_items(catalogue, make_picture(A, "/1", key="mug"))
    put_items(catalogue, make_picture(C, key="mug"))
    row = read_item(catalogue, mug.item_id)
    assert (row.hash, row.uris, row.missing) == (C, (), False)
