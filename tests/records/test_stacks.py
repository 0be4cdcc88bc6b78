"""The record of a stack."""

from __future__ import annotations

from retrieval.records.stacks import Stack


def test_a_stack_tells_its_cover_and_why() -> None:
    stack = Stack(7, "burst", (3, 4), 4, "2 shots in 1 s", "the sharpest")
    assert stack.to_dict() == {
        "id": 7,
        "kind": "burst",
        "items": [3, 4],
        "cover": 4,
        "reason": "2 shots in 1 s",
        "cover_reason": "the sharpest",
        "pairs": [],
    }
    page = stack._repr_html_()
    assert "burst: 2 shots in 1 s" in page
    assert "item 4, cover: the sharpest" in page
