"""Values of another kind than their column: told by verify, refused by an error of ours, left out by a rescue."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from indexers.catalogue.rescue import rescue_catalogue
from indexers.errors import CatalogueDamaged
from retrieval import Collection
from tests.conftest import vectors


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("metadata", "[1, 2]"),
        ("metadata", '"x"'),
        ("metadata", 7),
        ("metadata", "null"),
        ("metadata", "{broken"),
        ("metadata", "[" * 100_000),
        ("metadata", '{"a": ' + "9" * 5000 + "}"),
        ("metadata", b"\xff\xfe"),
        ("text", b"\xff\xfe"),
        ("key", b"\xff\xfe"),
        ("hash", "text"),
    ],
)
def test_a_value_of_another_kind_is_told_and_left_out_by_a_rescue(tmp_path: Path, column: str, value: object) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(vectors(6), metadata=[{"a": row} for row in range(6)], texts=["words"] * 6)
        assert collection.verify().ok
    database = sqlite3.connect(tmp_path / "c" / "catalogue.sqlite", isolation_level=None)
    database.execute(f"UPDATE item SET {column} = ? WHERE id = 3", (value,))
    database.close()
    with Collection.open(tmp_path / "c") as collection:
        for repair in (False, True):
            problems = collection.verify(repair=repair).problems
            assert problems == (f"database: 1 values of item.{column} are not of its kind (the first is item 3)",)
        with pytest.raises(CatalogueDamaged, match="damaged"):
            list(collection.items())
    assert rescue_catalogue(tmp_path / "c")["item"] == 5
    with Collection.open(tmp_path / "c") as collection:
        assert [item.id for item in collection.items()] == [1, 2, 4, 5, 6]
        assert collection.verify().ok
