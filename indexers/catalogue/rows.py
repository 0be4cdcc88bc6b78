"""Rows of the catalogue as records, and its times as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue import dialects
from indexers.errors import CatalogueDamaged
from indexers.types import HitRow, Ids, ItemRow, Json

NUMBER_LIMIT = 2**62
"""No change has a number of this size or more; beyond it numbers would overflow before long."""
ITEM_COLUMNS = (
    *("id", "key", "hash", "width", "height", "format", "bytes"),
    *("text", "taken_at", "added_at", "metadata"),
)
"""Of the table of items, what its record holds."""


def format_time(microseconds: int) -> str:
    """Return microseconds since 1970 as ISO 8601 in UTC, to the second."""
    return str(np.datetime64(microseconds, "us").astype("datetime64[s]")) + "Z"


def to_item_row(row: Sequence[Any], uris: list[tuple[str, bool]]) -> ItemRow:
    """Return the record of an item, of ITEM_COLUMNS from the driver, with its URIs and whether each is missing.

    Where some are there, only these are told. Raises CatalogueDamaged.
    """
    item_id, key, digest, width, height, kind, size, text, taken_at, added_at, metadata_text = row
    metadata = _read_metadata(metadata_text)
    is_sound = isinstance(key, str) and isinstance(digest, bytes | None) and isinstance(text, str | None)
    if metadata is None or not is_sound:
        raise _damage_error(item_id)
    present = tuple(uri for uri, is_missing in uris if not is_missing)
    missing = bool(uris) and not present
    told = tuple(uri for uri, _ in uris) if missing else present
    return ItemRow(item_id, key, digest, width, height, kind, size, text, taken_at, added_at, metadata, told, missing)


def to_hit_row(row: Sequence[Any]) -> HitRow:
    """Return what a hit shows, of a row as the driver gives it.

    It holds id, key, "0" or (if the file is missing) "1" with the URI, metadata as JSON, text, clusters ...
    """
    item_id, key, marked_uri, metadata_text, text, *clusters = row
    metadata = _read_metadata(metadata_text)
    if metadata is None or not (isinstance(key, str) and isinstance(text, str | None)):
        raise _damage_error(item_id)
    uri, is_missing = (None, False) if marked_uri is None else (marked_uri[1:], marked_uri[0] == "1")
    return HitRow(key, uri, metadata, tuple(cluster for cluster in clusters if cluster), text, is_missing)


def _read_metadata(text: Any) -> Json | None:
    """Return the metadata of an item, from JSON that SQLite gives as text; None if no nearkin writes such."""
    try:
        metadata = text if isinstance(text, dict) else json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
    return metadata if isinstance(metadata, dict) else None


def read_state(connection: Connection, statement: sa.Select[Any]) -> Sequence[Any]:
    """Return the row of a statement that begins with the newest and the oldest change number of the counter.

    Whatever follows the catalogue waits until it is at the newest one, which has to be a number that can be reached.
    Raises CatalogueDamaged.
    """
    rows = dialects.fetch_all(connection, statement)
    if len(rows) != 1 or not 0 <= rows[0][1] <= rows[0][0] < NUMBER_LIMIT:
        counted = [row[:2] for row in rows]
        raise dialects.damage_error(connection, f"its changes are counted as {counted!r:.80}")
    row: Sequence[Any] = rows[0]
    return row


def _damage_error(item_id: int) -> CatalogueDamaged:
    return CatalogueDamaged(
        f"the catalogue is damaged: the row of item {item_id} holds what no nearkin has written; `nearkin verify` "
        "tells what, and `nearkin rescue` leaves such rows out"
    )


def read_pairs(
    connection: Connection, query: sa.Select[Any], column: sa.ColumnElement[Any], values: Sequence[int]
) -> tuple[Ids, Ids]:
    """Return the two columns of whole numbers that a query gives where `column` has one of these values: int64 (n,)."""
    texts: tuple[list[str], list[str]] = ([], [])
    for chunk in split_chunks(values):
        rows = query.where(column.in_(chunk)).subquery()
        # one long text a column instead of a row an item: several times faster for 100,000
        columns = [sa.func.aggregate_strings(sa.cast(part, sa.String), ",") for part in rows.c]
        for part, text in zip(texts, connection.execute(sa.select(*columns)).all()[0], strict=True):
            part.extend([text] if text else [])
    first, second = (np.fromstring(",".join(part), dtype=np.int64, sep=",") for part in texts)
    return first, second
