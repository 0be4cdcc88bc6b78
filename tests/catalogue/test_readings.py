"""What was read in pictures: written, found by its words, kept with the item, and none of a replaced picture."""

from __future__ import annotations

from typing import Any

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.full_text import Weights
from indexers.catalogue.readings import Reading
from indexers.types import Arrival, FoundFile

FILE = FoundFile("/a.png", 10, 1, 1, 1)


def put(catalogue: Catalogue, content: bytes, **values: Any) -> int:
    with catalogue.transaction() as writing:
        return writing.put([Arrival("key", hash=content, uri="/a.png", file=FILE, **values)])[0].item_id


def test_words_in_pictures_have_a_column_and_a_weight_of_their_own(catalogue: Catalogue) -> None:
    content = b"a" * 20
    item_id = put(catalogue, content, text="a boat")
    with catalogue.snapshot() as snapshot:
        assert snapshot.readings.unread("r1") == [(item_id, content)]
    with catalogue.transaction() as writing:
        writing.put_readings([Reading(item_id, content, "r1", "Die Bäckerei ist am Strand und nicht am Hafen")])
    with catalogue.snapshot() as snapshot:
        assert snapshot.readings.unread("r1") == []
        assert snapshot.readings.unread("r2") == [(item_id, content)]
        assert [found for found, _ in snapshot.search_text("bäckereien", 5)] == [item_id]
        assert snapshot.search_text("backerei", 5, None, Weights(seen=0)) == []
        scores = [snapshot.search_text("strand", 5, None, Weights(1, weight))[0][1] for weight in (0.5, 1.0)]
        assert scores[0] < scores[1]
        assert snapshot.indexed_words([item_id])[item_id][0] == "a boat"


def test_another_picture_has_another_text(catalogue: Catalogue) -> None:
    item_id = put(catalogue, b"a" * 20)
    with catalogue.transaction() as writing:
        writing.put_readings([Reading(item_id, b"a" * 20, "r1", "harbour")])
    put(catalogue, b"b" * 20)
    with catalogue.snapshot() as snapshot:
        assert snapshot.readings.texts([item_id]) == {}
        assert snapshot.search_text("harbour", 5) == []
        assert snapshot.readings.unread("r1") == [(item_id, b"b" * 20)]
    with catalogue.transaction() as writing:  # of a picture that was replaced meanwhile
        writing.put_readings([Reading(item_id, b"a" * 20, "r1", "harbour"), Reading(999, b"a" * 20, "r1", "harbour")])
    with catalogue.snapshot() as snapshot:
        assert snapshot.readings.unread("r1") == [(item_id, b"b" * 20)]


def test_failures_are_tried_again_on_request(catalogue: Catalogue) -> None:
    item_id = put(catalogue, b"a" * 20)
    with catalogue.transaction() as writing:
        writing.put_readings([Reading(item_id, b"a" * 20, "r1", "", "cut off")])
    with catalogue.snapshot() as snapshot:
        assert snapshot.readings.unread("r1") == []
        assert len(snapshot.readings.unread("r1", retry_failed=True)) == 1


def test_a_removed_item_comes_back_with_its_text(catalogue: Catalogue) -> None:
    item_id = put(catalogue, b"a" * 20)
    reading = Reading(item_id, b"a" * 20, "r1", "harbour")
    with catalogue.transaction() as writing:
        writing.put_readings([reading])
        writing.remove([item_id], keep=True)
    with catalogue.snapshot() as snapshot:
        assert snapshot.search_text("harbour", 5) == []
        assert snapshot.trash.rows()[0].state["reading"]["text"] == "harbour"
    with catalogue.transaction() as writing:
        writing.restore([item_id])
    with catalogue.snapshot() as snapshot:
        assert [found for found, _ in snapshot.search_text("harbour", 5)] == [item_id]
        assert snapshot.readings.unread("r1") == []
