"""Items follow their files, and keep what users say of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.types import Arrival, FoundFile, ItemRow, Json, PictureFacts

SIDECAR = FoundFile("/a.xmp", "/a.xmp", 5, 6, 7, 8)
FILE = FoundFile("/a.jpg", "/a.jpg", 1, 2, 3, 4, SIDECAR)
HASH = b"a" * 20


def put(catalogue: Catalogue, *arrivals: Arrival) -> list[int]:
    with catalogue.transaction() as writing:
        return [stored.item_id for stored in writing.put(arrivals)]


def read(catalogue: Catalogue, item_id: int) -> ItemRow:
    with catalogue.snapshot() as snapshot:
        return snapshot.items([item_id])[0]


def arrive(uri: str = "/a.jpg", said: Json | None = None, digest: bytes = HASH, **description: Any) -> Arrival:
    file = replace(FILE, path=uri, uri=uri, sidecar=None if said is None else SIDECAR)
    taken_at = description.pop("taken_at", None)
    return Arrival(
        hash=digest,
        facts=PictureFacts(4, 3, "PNG", taken_at, description=description),
        uri=uri,
        file=file,
        sidecar=said,
    )


def test_words_filters_and_the_date_follow(catalogue: Catalogue) -> None:
    [item_id] = put(
        catalogue, arrive(said={"caption": "a boat", "taken_at": "2003-05-17T00:00:00"}, taken_at="2000-01-01T00:00:00")
    )
    row = read(catalogue, item_id)
    assert (row.text, row.taken_at, row.metadata) == ("a boat", "2003-05-17T00:00:00", {"caption": "a boat"})
    number = catalogue_number(catalogue)
    with catalogue.transaction() as writing:
        writing.note_sidecars([(item_id, FILE, {"caption": "a ship", "tags": ["sea"]})])
    row = read(catalogue, item_id)
    assert (row.text, row.taken_at, row.metadata) == (
        "a ship",
        "2000-01-01T00:00:00",
        {"caption": "a ship", "tags": ["sea"]},
    )
    assert catalogue_number(catalogue) == number + 1
    with catalogue.snapshot() as snapshot:
        assert snapshot.search_text("ship", 5)
        assert not snapshot.search_text("boat", 5)
        assert snapshot.attributes([item_id])[item_id] == {
            ("caption", False, None, "a ship", None),
            ("tags", True, None, "sea", None),
        }


def catalogue_number(catalogue: Catalogue) -> int:
    with catalogue.snapshot() as snapshot:
        return snapshot.number


def test_users_words_stay(catalogue: Catalogue) -> None:
    [item_id] = put(catalogue, replace(arrive(said={"caption": "file"}, rating=1), metadata={"rating": 5}, text="mine"))
    with catalogue.transaction() as writing:
        writing.update(item_id, {"caption": "file"})  # the same as the file says, and now the user's
    with catalogue.transaction() as writing:
        writing.note_sidecars([(item_id, FILE, {"caption": "other", "rating": 2, "label": "Red"})])
    row = read(catalogue, item_id)
    assert (row.text, row.metadata) == ("mine", {"rating": 5, "caption": "file", "label": "Red"})


def test_the_sidecar_of_a_file_that_moved_away_no_longer_counts(catalogue: Catalogue) -> None:
    [item_id] = put(catalogue, arrive("/a.jpg", {"tags": ["old", "kept"]}))
    put(catalogue, arrive("/b.jpg", {"tags": ["kept"]}))
    with catalogue.transaction() as writing:
        writing.mark_missing(["/a.jpg"])
    assert read(catalogue, item_id).metadata == {"tags": ["kept"]}


def test_what_the_only_sidecar_said_stays_when_its_file_vanishes(catalogue: Catalogue) -> None:
    [item_id] = put(catalogue, arrive("/a.jpg", {"tags": ["old"]}))
    put(catalogue, arrive("/b.jpg"))
    with catalogue.transaction() as writing:
        writing.mark_missing(["/a.jpg"])
    assert read(catalogue, item_id).metadata == {"tags": ["old"]}


@pytest.mark.parametrize("own", [{"rating": 5, "note": 1}, {}])
def test_an_edited_picture_inherits_what_users_said_alone(catalogue: Catalogue, own: Json) -> None:
    [old_id] = put(catalogue, arrive(rating=1, label="Red", title="old"))
    with catalogue.transaction() as writing:
        writing.update(old_id, own)
    [new_id] = put(catalogue, arrive(digest=b"b" * 20, rating=2, title="new"))
    row = read(catalogue, new_id)
    assert (row.metadata, row.text) == ({"rating": 2, "title": "new"} | own, "new")
    with catalogue.snapshot() as snapshot:
        assert snapshot.files.load([old_id])[old_id].is_new


def test_a_keyed_items_new_picture_has_its_facts_also_where_it_was_known(catalogue: Catalogue) -> None:
    put(catalogue, arrive("/known.jpg", digest=b"b" * 20, rating=4, taken_at="2003-05-17T00:00:00"))
    [item_id] = put(catalogue, replace(arrive(rating=1), key="SKU-1", metadata={"price": 9}))
    put(catalogue, replace(arrive(digest=b"b" * 20), facts=None))
    row = read(catalogue, item_id)
    assert (row.width, row.format, row.taken_at) == (4, "PNG", "2003-05-17T00:00:00")
    assert row.metadata == {"price": 9, "rating": 4}


def test_how_a_picture_was_taken_is_a_change_when_it_is_read_anew(catalogue: Catalogue) -> None:
    """So that what rests on it, such as stacks, is made again."""
    arrival = arrive()
    [item_id] = put(catalogue, arrival)
    number = catalogue_number(catalogue)
    put(catalogue, arrival)
    assert catalogue_number(catalogue) == number, "nothing new"
    assert arrival.facts is not None
    put(catalogue, replace(arrival, facts=replace(arrival.facts, capture={"iso": 100.0})))
    assert catalogue_number(catalogue) == number + 1
    with catalogue.snapshot() as snapshot:
        assert [row.capture for row in snapshot.shots.rows([item_id])] == [{"iso": 100.0}]
