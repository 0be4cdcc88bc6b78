"""Pictures as a zip file that is sent while it is made."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from indexers.errors import UnreadablePicture
from retrieval import Item
from retrieval.transfer.archive import choose_name, write_archive


def make_item(number: int, uri: str | None, **values: Any) -> Item:
    facts: dict[str, Any] = {"metadata": {}, "missing": False, "text": None, "format": "PNG"} | values
    uris = (uri,) if uri else ()
    return Item(number, str(number), None, uri, uris, 1, 1, bytes=3, taken_at=None, added_at="2024", **facts)


def test_the_archive_holds_what_can_be_read_and_says_what_not() -> None:
    items = [make_item(1, "/a/x.png"), make_item(2, "/b/X.png", metadata={"tags": ["ä"]}), make_item(3, "/c/gone.png")]

    def read(item: Item) -> bytes:
        if item.id == 3:
            raise UnreadablePicture("its file is gone")
        return bytes([item.id]) * 1000

    parts = list(write_archive(items, read))
    assert len(parts) == 3
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["x.png", "X (2).png", "items.jsonl"]
        assert archive.read("X (2).png") == b"\x02" * 1000
        rows = [json.loads(line) for line in archive.read("items.jsonl").decode().splitlines()]
    assert [row["file"] for row in rows] == ["x.png", "X (2).png", None]
    assert rows[1]["metadata"] == {"tags": ["ä"]}
    assert rows[2]["problem"] == "its file is gone"
    assert b"".join(parts) == b"".join(write_archive(items, read))


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("/a/../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\a:b.jpg", "a_b.jpg"),
        ("/a/..", "item"),
        ("/a/\u202egpj.exe", "_gpj.exe"),
        ("/a/" + "x" * 300 + ".png", "x" * 116 + ".png"),
        ("https://example.com/a.png", "a.png"),
        (None, "item 7.png"),
        ("/a/ .hidden", "hidden"),
    ],
)
def test_names_are_harmless_everywhere(uri: str | None, name: str) -> None:
    assert choose_name(make_item(7, uri), set()) == name
