"""Cells of CSV files that spreadsheets show as text, and don't run.

A spreadsheet takes a cell that begins with = + - or @ for a formula, which may start programs or send what is in other
cells elsewhere. Such a text gets an apostrophe in front, which spreadsheets know as the sign of a text; `unquote_cell`
removes it. Numbers stay numbers.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from os import PathLike
from typing import IO, Any

_FORMULA = re.compile(r"[\s'\"]*[=+\-@＝＋－＠]|['\"]*[\t\r\n]")
"""Also after spaces and quotes, which some programs remove, and in the width of Chinese and Japanese letters."""
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?%?")


def quote_cell(value: Any) -> Any:
    """Return a value as a cell: a text that a spreadsheet would run with an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and _is_formula(value) else value


def unquote_cell(cell: str) -> str:
    """Return the text that `quote_cell` has made the cell of."""
    return cell[1:] if cell[:1] == "'" and _is_formula(cell[1:]) else cell


def _is_formula(text: str) -> bool:
    return bool(_FORMULA.match(text)) and not _NUMBER.fullmatch(text)


def write_rows(file: IO[str], names: Iterable[str], rows: Iterable[Iterable[Any]], ending: str = "\r\n") -> None:
    """Write a header and rows as CSV. `ending`: what ends a line."""
    writer = csv.writer(file, lineterminator=ending)
    writer.writerow(map(quote_cell, names))
    writer.writerows(map(quote_cell, row) for row in rows)


def read_csv(path: str | PathLike[str]) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file that an export wrote, with every text as it was."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        names = [unquote_cell(name) for name in next(rows, [])]
        for row in rows:
            yield dict(zip(names, map(unquote_cell, row), strict=True))
