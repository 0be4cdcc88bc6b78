"""What is told of items: strangers' texts with limits."""

from __future__ import annotations

from retrieval import Hit, Item
from retrieval.agents.wording import MAX_KEYS, MAX_TEXT, describe_hit, describe_item, shorten


def test_what_is_too_long_or_deep_is_cut_off() -> None:
    assert shorten("x" * 1000) == "x" * MAX_TEXT + "... (1,000 characters)"
    assert len(shorten({str(number): 1 for number in range(100)})) == MAX_KEYS
    assert shorten([list(range(100))]) == [list(range(MAX_KEYS))]
    assert shorten({"a": {"b": {"c": {"d": 1}}}}) == {"a": {"b": {"c": "..."}}}
    assert shorten(7) == 7


def test_only_what_there_is_is_told() -> None:
    hit = Hit(3, "k", 0.12345, None, {}, (1,), chance=0.001, certainty="possible")
    assert describe_hit(hit) == {
        "item": 3,
        "score": 0.1235,
        "clusters": [1],
        "certainty": "possible, 1 in 1,000 by chance",
    }
    item = Item(3, "a key", None, None, (), 8, 6, "PNG", 99, "text", None, "2024", {"a": 1}, False)
    assert describe_item(item)["size"] == "8 x 6"
    assert "path" not in describe_item(item)
