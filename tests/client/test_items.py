"""What the client makes of lists of paths; the methods are compared with a collection's in test_client."""

from __future__ import annotations

from pathlib import Path

from retrieval.client.items import list_paths


def test_paths_are_sent_as_texts_one_or_several() -> None:
    assert list_paths("/a") == list_paths(Path("/a")) == ["/a"]
    assert list_paths(["/a", Path("/b")]) == ["/a", "/b"]
