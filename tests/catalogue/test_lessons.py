"""Lessons and labels: what people say of items outlives their removal, and can be taken back."""

from __future__ import annotations

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.lessons import LabelRow, LessonRow
from indexers.types import Arrival

CONTENT = b"c" * 20


def put(catalogue: Catalogue, key: str, content: bytes | None = None) -> int:
    with catalogue.transaction() as writing:
        return writing.put([Arrival(key, hash=content)])[0].item_id


def test_a_lesson_takes_the_place_of_an_earlier_one(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        writing.lessons.put(LessonRow("pets", "auto", {}, "folder"))
        writing.lessons.put(LessonRow("pets", "svm", {"C": 2}, None, "svm"))
        writing.lessons.put(LessonRow("boats", "auto", {}, None))
        assert [row.name for row in writing.lessons.rows()] == ["boats", "pets"]
        assert writing.lessons.find("pets") == LessonRow("pets", "svm", {"C": 2}, None, "svm")
        writing.lessons.drop("pets")
        assert writing.lessons.find("pets") is None


def test_labels_are_taken_back_as_other_decisions_are(catalogue: Catalogue) -> None:
    item_id = put(catalogue, "a")
    with catalogue.transaction() as writing:
        before = writing.lessons.version()
        decision = writing.lessons.add_labels("pets", "cat", {item_id: None}, True)
        assert writing.lessons.labels("pets") == [LabelRow(decision, item_id, "cat", True)]
        assert writing.lessons.labels("boats") == []
        given = writing.lessons.version()
        assert writing.duplicates.undo(decision)
        assert writing.lessons.labels("pets") == []
        assert len({before, given, writing.lessons.version()}) == 3


def test_a_label_holds_for_the_same_picture_when_it_is_added_again(catalogue: Catalogue) -> None:
    first, other = put(catalogue, "a", CONTENT), put(catalogue, "b", b"d" * 20)
    with catalogue.transaction() as writing:
        decision = writing.lessons.add_labels("pets", "cat", {first: CONTENT, other: b"d" * 20}, False)
        writing.remove([first, other])
        assert writing.lessons.labels("pets") == []
    again = put(catalogue, "c", CONTENT)
    with catalogue.snapshot() as snapshot:
        assert snapshot.lessons.labels("pets") == [LabelRow(decision, again, "cat", False)]
