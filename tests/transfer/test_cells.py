"""Cells that no spreadsheet runs, and that are read back as they were."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexers.matching.verification import SAME
from retrieval import Collection
from retrieval.cli.duplicates import export_groups
from retrieval.transfer.cells import quote_cell, read_csv, unquote_cell

HOSTILE = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\tx",
    '"=1"',
    "'=1",
    "''=1",
    "  =1",
    " -x",
    "＝1",
    "-",
    "+",
    "--1",
    "-1-1",
    '=HYPERLINK("http://evil.example")',
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_spreadsheet_would_run_is_a_text(text: str) -> None:
    assert quote_cell(text) == f"'{text}"
    assert unquote_cell(quote_cell(text)) == text


@pytest.mark.parametrize(
    "value", ["", "a", "'", "'a", "a=b", "-5", "+4.5e3", "-12,5", ".5", "-3%", -5, -5.5, None, True, "2024-01-01"]
)
def test_everything_else_stays_as_it_is(value: object) -> None:
    assert quote_cell(value) == value
    if isinstance(value, str):
        assert unquote_cell(value) == value


@given(st.text(st.sampled_from("=+-@'\"\t\r\n a1.,e%"), max_size=8) | st.text(max_size=8))
def test_every_text_comes_back(text: str) -> None:
    assert unquote_cell(quote_cell(text)) == text


def test_exports_hold_no_formula_and_come_back(tmp_path: Path) -> None:
    keys = [text for text in HOSTILE if text.isprintable()]
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors([[1.0, number] for number in range(len(keys))], keys=keys, texts=keys, uris=keys)
        collection.export(tmp_path / "items.csv")
        with (tmp_path / "items.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert not [cell for row in rows for cell in row if cell.lstrip(' \t\r\n"')[:1] in tuple("=+-@＝")]
        read = list(read_csv(tmp_path / "items.csv"))
        assert [row["key"] for row in read] == [row["text"] for row in read] == [row["uri"] for row in read] == keys
        assert [int(row["id"]) for row in read] == list(range(1, len(keys) + 1))


def test_lists_of_duplicates_hold_no_formula(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        from tests.support.serving import make_png

        for folder in ("a", "b"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "=1+1.png").write_bytes(make_png("red"))
        collection.add([tmp_path / "a", tmp_path / "b"])
        groups = collection.duplicates(SAME)
        export_groups(groups, collection, tmp_path / "d.csv")
        read = list(read_csv(tmp_path / "d.csv"))
    assert [row["uri"] for row in read] == [str(tmp_path / folder / "=1+1.png") for folder in ("a", "b")]
    assert all(float(row["weakest"]) for row in read)
