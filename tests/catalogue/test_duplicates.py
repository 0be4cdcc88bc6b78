"""What the catalogue holds about copies: of which contents, and until when."""

from __future__ import annotations

import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.duplicates import PairRow
from indexers.types import Arrival


def put(catalogue: Catalogue, key: str, content: int) -> int:
    with catalogue.transaction() as writing:
        arrival = Arrival(key, hash=bytes([content]) * 20, uri=f"/{key}.jpg")
        return writing.put([arrival])[0].item_id


@pytest.fixture
def two(catalogue: Catalogue) -> tuple[int, int]:
    """Two items with hashes, compared."""
    a, b = put(catalogue, "a", 1), put(catalogue, "b", 2)
    with catalogue.transaction() as writing:
        missing = writing.duplicates.unhashed_pictures()
        assert [(one.item_id, one.uri) for one in missing] == [(a, "/a.jpg"), (b, "/b.jpg")]
        writing.duplicates.put_hashes([(missing[0], 2**64 - 1, 1), (missing[1], 0, 2**63)])
        writing.duplicates.put_pairs([PairRow(a, b, "same picture", 0.75, {"inliers": 9})])
        writing.duplicates.put_features({a: b"features"})
        writing.duplicates.mark_compared([a])
    return a, b


def test_hashes_of_all_64_bits_come_back(catalogue: Catalogue, two: tuple[int, int]) -> None:
    with catalogue.snapshot() as snapshot:
        assert snapshot.duplicates.unhashed_pictures() == []
        prints = snapshot.duplicates.picture_hashes()
        assert prints.item_ids.tolist() == list(two)
        assert prints.hashes.tolist() == [2**64 - 1, 0]
        assert prints.mirrored_hashes.tolist() == [1, 2**63]
        assert prints.are_compared.tolist() == [True, False]
        assert snapshot.duplicates.features([*two, 99]) == {two[0]: b"features"}


def test_pairs_by_score_and_kind(catalogue: Catalogue, two: tuple[int, int]) -> None:
    with catalogue.snapshot() as snapshot:
        assert snapshot.duplicates.pairs(0.7, ["same picture"]) == [PairRow(*two, "same picture", 0.75, {"inliers": 9})]
        assert snapshot.duplicates.pairs(0.8, ["same picture"]) == []
        assert snapshot.duplicates.pairs(0.7, ["same scene"]) == []


def test_a_new_content_makes_what_was_known_of_the_old_one_void(catalogue: Catalogue, two: tuple[int, int]) -> None:
    assert put(catalogue, "a", 7) == two[0]
    with catalogue.transaction() as writing:
        missing = writing.duplicates.unhashed_pictures()
        assert [one.item_id for one in missing] == [two[0]]
        writing.duplicates.put_hashes([(missing[0], 5, 6)])
        assert writing.duplicates.pairs(0, ["same picture"]) == []
        assert writing.duplicates.features([two[0]]) == {}


def test_an_item_that_goes_takes_its_evidence_with_it(catalogue: Catalogue, two: tuple[int, int]) -> None:
    with catalogue.transaction() as writing:
        stale = writing.duplicates.unhashed_pictures()
        writing.remove([two[1]])
    with catalogue.transaction() as writing:
        assert writing.duplicates.pairs(0, ["same picture"]) == []
        assert writing.duplicates.picture_hashes().item_ids.tolist() == [two[0]]
        writing.duplicates.put_hashes([(one, 1, 2) for one in stale])
        writing.duplicates.put_pairs([PairRow(*two, "same picture", 0.9, {})])
        assert writing.duplicates.pairs(0, ["same picture"]) == []


def test_a_later_decision_of_two_takes_the_place_of_the_earlier_one(catalogue: Catalogue) -> None:
    one, other, third = (bytes([number]) * 20 for number in (1, 2, 3))
    with catalogue.transaction() as writing:
        first = writing.duplicates.decide("keep both", one, other)
        second = writing.duplicates.decide("not duplicates", other, one)
        writing.duplicates.decide("keep", one, third)
        assert second > first
        assert [(row.kind, row.first) for row in writing.duplicates.decisions()] == [
            ("not duplicates", other),
            ("keep", one),
        ]
        assert writing.duplicates.undo(second)
        assert not writing.duplicates.undo(second)
        assert not writing.duplicates.undo(first)
        assert len(writing.duplicates.decisions()) == 1
