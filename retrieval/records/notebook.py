"""How records show themselves in a notebook: small HTML tables and rows of thumbnails, with names as text only."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from indexers.errors import NearkinError
from retrieval.records.pictures import PictureSource

LONGEST = 120
"""Letters of a value that are shown."""
NESTED = 20
"""Rows that are shown of a table within a table."""


def render_fields(fields: Mapping[str, Any]) -> str:
    """Return a table with a row for each field."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{_render_value(value)}</td></tr>" for name, value in fields.items())
    return f"<table>{rows}</table>"


def _render_value(value: Any) -> str:
    """Return a value as text, and records within a record as a table of their own."""
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return render_rows(value[:NESTED], len(value), hide_empty=True)
    return _shorten(value)


def render_rows(rows: Sequence[Mapping[str, Any]], total: int, *, hide_empty: bool = False) -> str:
    """Return a table with a column for each field, and how many rows there are where some are left out.

    hide_empty: leave out the columns that hold nothing in any row.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    if hide_empty:
        names = [name for name in names if any(row.get(name) not in (None, [], {}) for row in rows)]
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{_shorten(row.get(name))}</td>" for name in names) + "</tr>" for row in rows)
    left_out = f"<p>... {total - len(rows)} more</p>" if total > len(rows) else ""
    return f"<table><tr>{head}</tr>{body}</table>{left_out}"


def render_thumbnails(title: str, captions: Iterable[tuple[int, str]], pictures: PictureSource | None) -> str:
    """Return a title and a thumbnail with a caption for each item id; an item without a picture shows its caption."""
    figures = "".join(
        f'<figure style="display:inline-block;margin:4px;width:168px;vertical-align:top">'
        f"{_render_thumbnail(item_id, pictures)}"
        f'<figcaption style="font-size:smaller;overflow-wrap:anywhere">{escape(caption)}</figcaption></figure>'
        for item_id, caption in captions
    )
    return f"<p>{escape(title)}</p>{figures}"


def _render_thumbnail(item_id: int, pictures: PictureSource | None) -> str:
    try:
        content = pictures.make_thumbnail(item_id) if pictures else b""
    except NearkinError:
        content = b""
    encoded = b64encode(content).decode()
    return f'<img alt="" src="data:image/webp;base64,{encoded}">' if encoded else "<em>no picture</em>"


def _shorten(value: Any) -> str:
    if isinstance(value, float):
        value = round(value, 4)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return escape(text if len(text) <= LONGEST else f"{text[:LONGEST]}...")
