from __future__ import annotations

from retrieval.records.codec import from_json
from retrieval.records.learning import Lesson, Suggestion, Suggestions
from retrieval.records.search import Hit


def test_suggestions_are_a_sequence_and_survive_json() -> None:
    row = Suggestion(Hit(7, "k7", 0.9, "/a.jpg", {}), "yes", 0.9)
    answer = Suggestions("dogs", (row,), (), 12, 0.02, 0.8, 180, 5)
    assert list(answer) == [row]
    assert from_json(Suggestions, answer.to_dict()) == answer
    assert "12 suggestions of dogs" in repr(answer)
    assert "yes: 0.900 7 /a.jpg" in repr(row)
    assert "12 suggestions of dogs" in answer._repr_html_()


def test_lessons_survive_json() -> None:
    lesson = Lesson("dogs", "auto", "svm", None, {"yes": 3, "no": 4}, 7, 0.9, 0.9, 0.1, {"svm": 0.9}, "", 5)
    assert from_json(Lesson, lesson.to_dict()) == lesson
