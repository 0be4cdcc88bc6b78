"""The rule that chooses which item of a group of duplicates to keep, and the reason it gives."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from indexers.pictures.scan import to_uri
from indexers.types import ItemRow

LOSSLESS = ("PNG", "TIFF", "BMP", "PSD")
"""Formats without loss; in the other formats more bytes mean that less was thrown away."""

REASONS = (
    "preferred",
    "most pixels",
    "a format without loss",
    "most bytes",
    "most metadata",
    "earliest date",
    "shortest path",
    "first path",
    "first hash",
)
"""Why an item is kept, in the order of the entries of `rank_to_keep`."""


def rank_to_keep(row: ItemRow, prefer: str | None = None) -> tuple[Any, ...]:
    """Return the sort key of what to keep, best first.

    What is preferred (a format, a folder, or "oldest"), then more pixels, a format without loss, more bytes, more
    metadata, the earlier date, the shorter path; the hash decides the rest, so that the order is always the same.
    """
    uri = min(row.uris, key=lambda uri: (len(uri), uri), default="")  # whichever of its places came first
    date = row.taken_at or "~"
    preference: bool | str = False
    if prefer == "oldest":
        preference = date
    elif prefer:
        preference = not _is_preferred(row, prefer)
    pixels = (row.width or 0) * (row.height or 0)
    facts = len(row.metadata) + (row.text is not None)
    lossless = row.format in LOSSLESS
    best = -pixels, not lossless, 0 if lossless else -(row.bytes or 0), -facts, date, len(uri), uri
    return preference, *best, row.hash or b""


def _is_preferred(row: ItemRow, prefer: str) -> bool:
    """Return True if an item has the preferred format, or a place whose path begins with the preferred one."""
    if str(row.format or "").lower() == prefer.lower():
        return True
    is_path = prefer.startswith("~") or "/" in prefer or os.sep in prefer
    start = to_uri(os.path.expanduser(prefer)) + ("/" if prefer.endswith(("/", os.sep)) else "") if is_path else prefer
    return any(uri.startswith(start) for uri in row.uris)


def explain_choice(kept: ItemRow, rest: Iterable[ItemRow], prefer: str | None = None) -> str:
    """Return why an item is kept: the first criterion in which it beats all the rest."""
    key = rank_to_keep(kept, prefer)
    return REASONS[max((_find_difference(key, rank_to_keep(row, prefer)) for row in rest), default=8)]


def _find_difference(first: tuple[Any, ...], second: tuple[Any, ...]) -> int:
    """Return the first place in which two sort keys differ."""
    return next((place for place, (x, y) in enumerate(zip(first, second, strict=True)) if x != y), 8)
