from __future__ import annotations

import pytest

from indexers.catalogue import dialects, sqlite_words
from indexers.catalogue.catalogue import Catalogue
from indexers.words.tokens import Wanted

pytestmark = pytest.mark.databases

DOCUMENTS = [
    (1, ("red boat sea", "holiday sea", "")),
    (2, ("boat red red", "", "ship")),
    (3, ("quiet sea", "boat", "red sea")),
    (2**40, ("hund@de hunde@de", "", "")),
]


def find(
    catalogue: Catalogue, *terms: list[Wanted], every: bool = True, weights: tuple[float, float] = (1, 1)
) -> list[int]:
    with catalogue.engine.begin() as connection:
        hits = dialects.find_words(connection).match(connection, terms, every, 10, None, weights)
    assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)
    return [item_id for item_id, _ in hits]


def test_words_phrases_and_beginnings_are_found_best_first(catalogue: Catalogue) -> None:
    with catalogue.transaction() as transaction:
        index = dialects.find_words(transaction._connection)
        index.add_documents(transaction._connection, DOCUMENTS)
        assert index.read_documents(transaction._connection, [1, 2**40, 5]) == dict([DOCUMENTS[0], DOCUMENTS[3]])
    red, boat, sea = (Wanted((word,)) for word in ("red", "boat", "sea"))
    assert find(catalogue, [red], [boat]) == [2, 1, 3]
    assert sorted(find(catalogue, [red], [Wanted(("quiet",))], every=False)) == [1, 2, 3]
    assert find(catalogue, [Wanted(("red", "boat"))]) == [1]
    assert find(catalogue, [Wanted(("boat", "holiday"))]) == []  # columns are no one text
    assert find(catalogue, [Wanted(("hund",), is_prefix=True)]) == [2**40]
    assert find(catalogue, [Wanted(("qu",), is_prefix=True), Wanted(("hund@de",))]) == [2**40, 3]
    assert sorted(find(catalogue, [sea, boat], weights=(0, 0))) == [1, 2, 3]
    assert find(catalogue, [Wanted(("ship",))], weights=(1, 0)) == []
    assert find(catalogue, [Wanted(("holiday",))], weights=(0, 1)) == []
    with catalogue.transaction() as transaction:
        index.remove_documents(transaction._connection, [1, 4])
        index.erase_removed(transaction._connection)
    assert find(catalogue, [red], [boat]) == [2, 3]


def test_words_that_most_items_hold_are_found_without_ranking_them(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_words, "MANY", 3)
    with catalogue.transaction() as transaction:
        documents = [
            (number, ("photo " * (number > 2) + "harbour " * (number in (6, 9)), "", "")) for number in range(1, 11)
        ]
        dialects.find_words(transaction._connection).add_documents(transaction._connection, documents)
    photo, harbour, ship = ([Wanted((word,))] for word in ("photo", "harbour", "ship"))
    assert sorted(find(catalogue, photo)) == list(range(3, 11))
    assert sorted(find(catalogue, photo, harbour)) == [6, 9]
    found = find(catalogue, photo, harbour, ship, every=False)
    assert (sorted(found[:2]), sorted(found[2:])) == ([6, 9], [3, 4, 5, 7, 8, 10])
    assert sorted(find(catalogue, photo, weights=(0, 0))) == list(range(3, 11))
