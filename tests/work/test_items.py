"""Work with items that are in the collection."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexers.pictures.text_reader import TextReader
from retrieval import Collection


def test_text_is_read_by_workers(filled: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextReader, "read", lambda reader, picture: "harbour office")
    assert filled.queue(kinds="read").queued == 5
    filled.remove(str(folder / "red.png"))
    (folder / "blue.png").write_bytes(b"no picture")
    report = filled.work(kinds=["read"])
    assert (report.done, report.failed) == (4, 1)
    assert len(filled.search(query="harbour")) == 3
    assert filled.queue(kinds="read").queued == 0
