"""Work as the client names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.client.work import list_kinds, list_paths


@pytest.mark.parametrize(
    ("kinds", "listed"), [("embed", ["embed"]), (("embed", "read"), ["embed", "read"]), (None, None)]
)
def test_kinds_are_a_list(kinds: str | list[str] | None, listed: list[str] | None) -> None:
    assert list_kinds(kinds) == listed


def test_paths_are_texts() -> None:
    assert list_paths(Path("a")) == list_paths("a") == ["a"]
    assert list_paths([Path("a"), "b"]) == ["a", "b"]
