"""What the catalogue holds about copies: of which contents, and until when."""

from __future__ import annotations

import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.duplicates import PairRow
from indexers.types import Arrival, Sketch

pytestmark = pytest.mark.databases

FIRST = Sketch((2**64 - 1, 1, *range(6)), b"compact")
SECOND = Sketch((0, 2**63, *range(6)), b"compact too")


def put_item(catalogue: Catalogue, key: str, content: int) -> int:
    with catalogue.transaction() as writing:
        arrival = Arrival(key, hash=bytes([content]) * 20, uri=f"/{key}.jpg")
        return writing.put([arrival])[0].item_id


@pytest.fixture
def two_items(catalogue: Catalogue) -> tuple[int, int]:
    """Two items with hashes, compared."""
    a, b = put_item(catalogue, "a", 1), put_item(catalogue, "b", 2)
    with catalogue.transaction() as writing:
        unsketched = writing.duplicates.unsketched_pictures()
        assert [(picture.item_id, picture.uri) for picture in unsketched] == [(a, "/a.jpg"), (b, "/b.jpg")]
        writing.put_sketches([(unsketched[0], FIRST), (unsketched[1], SECOND)])
        writing.duplicates.put_pairs([PairRow(a, b, "same picture", 0.75, {"inliers": 9})])
        writing.duplicates.put_features({a: b"features"})
        writing.duplicates.mark_compared([a])
    return a, b


def test_hashes_of_all_64_bits_come_back(catalogue: Catalogue, two_items: tuple[int, int]) -> None:
    with catalogue.snapshot() as snapshot:
        assert snapshot.duplicates.unsketched_pictures() == []
        hashes = snapshot.duplicates.picture_hashes()
        assert hashes.item_ids.tolist() == list(two_items)
        assert hashes.hashes.tolist() == [list(FIRST.hashes), list(SECOND.hashes)]
        assert hashes.are_compared.tolist() == [True, False]
        assert snapshot.duplicates.features([*two_items, 99]) == {two_items[0]: b"features"}
        assert snapshot.duplicates.features([*two_items, 99], compact=True) == dict(
            zip(two_items, (b"compact", b"compact too"), strict=True)
        )
        assert snapshot.duplicates.described_contents() == {two_items[0]: b"\1" * 20, two_items[1]: b"\2" * 20}


def test_a_sketch_is_written_once_and_completed_without_losing_what_was_proved(
    catalogue: Catalogue, two_items: tuple[int, int]
) -> None:
    c = put_item(catalogue, "c", 3)
    with catalogue.transaction() as writing:
        [picture] = writing.duplicates.unsketched_pictures()
        assert writing.duplicates.put_sketches([(picture, Sketch(FIRST.hashes, None))]) == [c]
        writing.duplicates.put_pairs([PairRow(two_items[0], c, "same picture", 0.8, {})])
        assert writing.duplicates.unsketched_pictures(described=False) == []
        assert writing.duplicates.unsketched_pictures() == [picture]
        assert writing.duplicates.put_sketches([(picture, Sketch(FIRST.hashes, None))]) == []
        assert writing.duplicates.put_sketches([(picture, FIRST), (picture, FIRST)]) == [c]
        assert writing.duplicates.put_sketches([(picture, FIRST)]) == []
        assert writing.duplicates.unsketched_pictures() == []
        assert len(writing.duplicates.pairs(0, ["same picture"])) == 2


def test_a_sketch_that_arrives_with_its_picture_is_stored_with_it(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        arrival = Arrival("k", hash=b"\5" * 20, uri="/k.jpg", sketch=FIRST)
        [stored] = writing.put([arrival])
        assert writing.duplicates.unsketched_pictures() == []
        assert writing.duplicates.features([stored.item_id], compact=True) == {stored.item_id: b"compact"}
        writing.put([Arrival("k", hash=b"\6" * 20, uri="/k.jpg", sketch=SECOND)])
        assert writing.duplicates.features([stored.item_id], compact=True) == {stored.item_id: b"compact too"}


def test_pairs_by_score_and_kind(catalogue: Catalogue, two_items: tuple[int, int]) -> None:
    with catalogue.snapshot() as snapshot:
        assert snapshot.duplicates.pairs(0.7, ["same picture"]) == [
            PairRow(*two_items, "same picture", 0.75, {"inliers": 9})
        ]
        assert snapshot.duplicates.pairs(0.8, ["same picture"]) == []
        assert snapshot.duplicates.pairs(0.7, ["same scene"]) == []


def test_a_new_content_makes_what_was_known_of_the_old_one_void(
    catalogue: Catalogue, two_items: tuple[int, int]
) -> None:
    assert put_item(catalogue, "a", 7) == two_items[0]
    with catalogue.transaction() as writing:
        unsketched = writing.duplicates.unsketched_pictures()
        assert [picture.item_id for picture in unsketched] == [two_items[0]]
        writing.put_sketches([(unsketched[0], SECOND)])
        assert writing.duplicates.pairs(0, ["same picture"]) == []
        assert writing.duplicates.features([two_items[0]]) == {}


def test_an_item_that_goes_takes_its_evidence_with_it(catalogue: Catalogue, two_items: tuple[int, int]) -> None:
    with catalogue.transaction() as writing:
        stale = writing.duplicates.unsketched_pictures()
        writing.remove([two_items[1]])
    with catalogue.transaction() as writing:
        assert writing.duplicates.pairs(0, ["same picture"]) == []
        assert writing.duplicates.picture_hashes().item_ids.tolist() == [two_items[0]]
        writing.put_sketches([(picture, FIRST) for picture in stale])
        writing.duplicates.put_pairs([PairRow(*two_items, "same picture", 0.9, {})])
        assert writing.duplicates.pairs(0, ["same picture"]) == []


def test_a_later_decision_of_two_takes_the_place_of_the_earlier_one(catalogue: Catalogue) -> None:
    a, b, c = (bytes([number]) * 20 for number in (1, 2, 3))
    with catalogue.transaction() as writing:
        first = writing.duplicates.decide("keep both", a, b)
        second = writing.duplicates.decide("not duplicates", b, a)
        writing.duplicates.decide("keep", a, c)
        assert second > first
        assert [(row.kind, row.first) for row in writing.duplicates.decisions()] == [
            ("not duplicates", b),
            ("keep", a),
        ]
        assert writing.duplicates.undo(second)
        assert not writing.duplicates.undo(second)
        assert not writing.duplicates.undo(first)
        assert len(writing.duplicates.decisions()) == 1
