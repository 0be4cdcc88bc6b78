"""What an item takes over from others: written as a person's word, and given back as it was."""

from __future__ import annotations

import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.file_metadata import DATE, TEXT
from indexers.catalogue.merges import Merging
from indexers.errors import UsageError
from indexers.types import Arrival, FoundFile, ItemRow, Json, PictureFacts

FILE = FoundFile("/p/a.png", "/p/a.png", 9, 1, 1, 1)


def arrive(date: str, **metadata: object) -> Arrival:
    facts = PictureFacts(4, 3, "PNG", date, "X", {}, metadata)
    return Arrival(hash=b"1" * 20, uri=FILE.uri, facts=facts, file=FILE)


def put(catalogue: Catalogue, arrival: Arrival) -> int:
    with catalogue.transaction() as writing:
        return writing.put([arrival])[0].item_id


def read(catalogue: Catalogue, item_id: int = 1) -> ItemRow:
    with catalogue.snapshot() as snapshot:
        return snapshot.items([item_id])[0]


def merge(catalogue: Catalogue, changes: Json, moves: str | None = None, decisions: tuple[int, ...] = ()) -> int:
    with catalogue.transaction() as writing:
        return writing.merges.add(Merging(1, (2,), b"1" * 20, changes, decisions), moves)


def undo(catalogue: Catalogue, decision: int) -> None:
    with catalogue.transaction() as writing:
        writing.merges.undo(decision)


def test_files_no_longer_change_what_was_merged_and_do_again_once_it_is_undone(catalogue: Catalogue) -> None:
    put(catalogue, arrive("2024-01-02T00:00:00", title="old", rating=1))
    before = read(catalogue)
    decision = merge(catalogue, {"title": "merged", "rating": 5, DATE: "2023-01-01T00:00:00", TEXT: "words"})
    put(catalogue, arrive("2024-01-03T00:00:00", title="new", rating=2))
    row = read(catalogue)
    assert (row.metadata["title"], row.metadata["rating"], row.taken_at, row.text) == (
        "merged", 5, "2023-01-01T00:00:00", "words",
    )  # fmt: skip
    undo(catalogue, decision)
    row = read(catalogue)
    assert (row.metadata["title"], row.metadata["rating"], row.taken_at, row.text) == (
        "new", 2, "2024-01-03T00:00:00", "new",
    )  # fmt: skip
    put(catalogue, arrive("2024-01-02T00:00:00", title="old", rating=1))
    assert read(catalogue) == before


def test_a_value_that_is_taken_away_comes_back(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        writing.put([Arrival(key="k", metadata={"utc_offset": "+02:00", "empty": None})])
    before = read(catalogue)
    decision = merge(catalogue, {"utc_offset": None, "empty": 3})
    assert read(catalogue).metadata == {"empty": 3}
    undo(catalogue, decision)
    assert read(catalogue) == before


def test_decisions_made_with_it_are_undone_with_it(catalogue: Catalogue) -> None:
    put(catalogue, arrive("2024-01-02T00:00:00"))
    with catalogue.transaction() as writing:
        kept = writing.duplicates.decide("keep", b"1" * 20, b"2" * 20)
    decision = merge(catalogue, {}, decisions=(kept,))
    with catalogue.snapshot() as snapshot:
        assert [row.id for row in snapshot.duplicates.decisions()] == [kept]
    undo(catalogue, decision)
    with catalogue.snapshot() as snapshot:
        assert snapshot.duplicates.decisions() == []


def test_merges_of_moves_are_known_by_their_name_and_survive_the_trash(catalogue: Catalogue) -> None:
    put(catalogue, arrive("2024-01-02T00:00:00"))
    before = read(catalogue)
    decisions = [merge(catalogue, {"tags": ["a"]}, "m"), merge(catalogue, {"tags": ["a", "b"]}, "m")]
    merge(catalogue, {"tags": ["a", "b", "c"]})
    with catalogue.transaction() as writing:
        assert writing.merges.of_moves("m") == decisions[::-1]
        assert writing.merges.of_moves("n") == []
        writing.remove([1], keep=True)
    for act in (lambda: undo(catalogue, decisions[0]), lambda: catalogue_of_moves(catalogue)):
        with pytest.raises(UsageError, match=r"item 1, .* is in the trash; restore it first"):
            act()
    with catalogue.transaction() as writing:
        writing.restore([1])
        for decision in decisions[::-1]:
            writing.merges.undo(decision)
    assert read(catalogue).metadata["tags"] == ["c"], "what came later stays"
    with catalogue.transaction() as writing:
        writing.update(1, {}, replace=True)
        writing.remove([1])
        assert writing.merges.of_moves("m") == []
    assert before.metadata == {"camera": "X"}


def catalogue_of_moves(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        writing.merges.of_moves("m")


def test_a_date_that_was_chosen_goes_to_the_edited_file(catalogue: Catalogue) -> None:
    put(catalogue, arrive("2024-01-02T00:00:00"))
    merge(catalogue, {DATE: "2020-01-01T00:00:00"})
    facts = PictureFacts(4, 3, "PNG", "2024-01-02T00:00:00", "X", {}, {})
    new_id = put(catalogue, Arrival(hash=b"3" * 20, uri=FILE.uri, facts=facts, file=FILE))
    assert new_id != 1
    assert read(catalogue, new_id).taken_at == "2020-01-01T00:00:00"
