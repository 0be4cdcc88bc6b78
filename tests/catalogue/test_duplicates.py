"""What the catalogue holds about copies: of which contents, and until when."""

from __future__ import annotations

import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.duplicates import PairRow
from indexers.types import Arrival


def put(catalogue: Catalogue, key: str, content: int) -> int:
    with catalogue.transaction() as writing:
        arrival = Arrival(key, hash=bytes([content]) * 20, uri=f"/{key}.jpg")
        return writing.put([arrival])[0].item


@pytest.fixture
def two(catalogue: Catalogue) -> tuple[int, int]:
    """Two items with hashes, compared."""
    a, b = put(catalogue, "a", 1), put(catalogue, "b", 2)
    with catalogue.transaction() as writing:
        missing = writing.evidence.unprinted()
        assert [(one.item, one.uri) for one in missing] == [(a, "/a.jpg"), (b, "/b.jpg")]
        writing.evidence.put_prints([(missing[0], 2**64 - 1, 1), (missing[1], 0, 2**63)])
        writing.evidence.put_pairs([PairRow(a, b, "same picture", 0.75, {"inliers": 9})])
        writing.evidence.put_features({a: b"features"})
        writing.evidence.set_compared([a])
    return a, b


def test_hashes_of_all_64_bits_come_back(catalogue: Catalogue, two: tuple[int, int]) -> None:
    with catalogue.snapshot() as snapshot:
        assert snapshot.evidence.unprinted() == []
        prints = snapshot.evidence.prints()
        assert prints.items.tolist() == list(two)
        assert prints.hashes.tolist() == [2**64 - 1, 0]
        assert prints.mirrored.tolist() == [1, 2**63]
        assert prints.compared.tolist() == [True, False]
        assert snapshot.evidence.features([*two, 99]) == {two[0]: b"features"}


def test_pairs_by_score_and_kind(catalogue: Catalogue, two: tuple[int, int]) -> None:
    with catalogue.snapshot() as snapshot:
        assert snapshot.evidence.pairs(0.7, ["same picture"]) == [PairRow(*two, "same picture", 0.75, {"inliers": 9})]
        assert snapshot.evidence.pairs(0.8, ["same picture"]) == []
        assert snapshot.evidence.pairs(0.7, ["same scene"]) == []


def test_a_new_content_makes_what_was_known_of_the_old_one_void(catalogue: Catalogue, two: tuple[int, int]) -> None:
    assert put(catalogue, "a", 7) == two[0]
    with catalogue.transaction() as writing:
        missing = writing.evidence.unprinted()
        assert [one.item for one in missing] == [two[0]]
        writing.evidence.put_prints([(missing[0], 5, 6)])
        assert writing.evidence.pairs(0, ["same picture"]) == []
        assert writing.evidence.features([two[0]]) == {}


def test_an_item_that_goes_takes_its_evidence_with_it(catalogue: Catalogue, two: tuple[int, int]) -> None:
    with catalogue.transaction() as writing:
        stale = writing.evidence.unprinted()
        writing.remove([two[1]])
    with catalogue.transaction() as writing:
        assert writing.evidence.pairs(0, ["same picture"]) == []
        assert writing.evidence.prints().items.tolist() == [two[0]]
        writing.evidence.put_prints([(one, 1, 2) for one in stale])
        writing.evidence.put_pairs([PairRow(*two, "same picture", 0.9, {})])
        assert writing.evidence.pairs(0, ["same picture"]) == []


def test_a_later_decision_of_two_takes_the_place_of_the_earlier_one(catalogue: Catalogue) -> None:
    one, other, third = (bytes([number]) * 20 for number in (1, 2, 3))
    with catalogue.transaction() as writing:
        first = writing.evidence.decide("keep both", one, other)
        second = writing.evidence.decide("not duplicates", other, one)
        writing.evidence.decide("keep", one, third)
        assert second > first
        assert [(row.what, row.first) for row in writing.evidence.decisions()] == [
            ("not duplicates", other),
            ("keep", one),
        ]
        assert writing.evidence.undo(second)
        assert not writing.evidence.undo(second)
        assert not writing.evidence.undo(first)
        assert len(writing.evidence.decisions()) == 1
