"""Which items still have a picture: what has vanished is no duplicate of anything, and nothing to keep."""

from __future__ import annotations

import os
from collections.abc import Iterable

from indexers.catalogue.duplicates import PairRow
from indexers.pictures.addresses import is_remote
from indexers.pictures.scan import to_path
from indexers.types import ItemRow
from retrieval.records.duplicates import DuplicateGroup


def list_places(row: ItemRow) -> list[str]:
    """Return the URIs at which an item's file is there at this moment; addresses elsewhere count as they were last."""
    return [] if row.missing else [uri for uri in row.uris if is_remote(uri) or os.path.exists(to_path(uri))]


def is_present(row: ItemRow) -> bool:
    """Return True if an item has a file, or never had one."""
    return not row.uris or bool(list_places(row))


def link_absent(pairs: Iterable[PairRow], present: set[int]) -> dict[int, set[int]]:
    """Return for each present item the vanished ones that were duplicates of it."""
    absent: dict[int, set[int]] = {}
    for pair in pairs:
        if (pair.a in present) != (pair.b in present):
            inside, outside = (pair.a, pair.b) if pair.a in present else (pair.b, pair.a)
            absent.setdefault(inside, set()).add(outside)
    return absent


def list_missing(group: DuplicateGroup, absent: dict[int, set[int]]) -> tuple[int, ...]:
    """Return the vanished items that were duplicates of a member of the group."""
    return tuple(sorted({item_id for member in group.items for item_id in absent.get(member, ())}))
