"""Rows of the catalogue as records, and its times as text."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlalchemy.engine import Row

from indexers.types import ItemRow


def format_time(microseconds: int) -> str:
    """Return microseconds since 1970 as ISO 8601 in UTC, to the second."""
    return str(np.datetime64(microseconds, "us").astype("datetime64[s]")) + "Z"


def to_item_row(row: Row[Any], uris: list[tuple[str, bool]]) -> ItemRow:
    """Return the record of an item with its URIs and whether each is missing; of present ones only these."""
    present = tuple(uri for uri, is_missing in uris if not is_missing)
    missing = bool(uris) and not present
    fields = {name: getattr(row, name) for name in ("id", "key", "hash", "width", "height", "format", "bytes", "text")}
    return ItemRow(
        **fields,
        taken_at=row.taken_at,
        added_at=row.added_at,
        metadata=row.metadata,
        uris=tuple(uri for uri, _ in uris) if missing else present,
        missing=missing,
    )
