"""The members of a cluster, a page at a time: items, or parts and the items that hold them."""

from __future__ import annotations

from typing import Any

import numpy as np

from indexers.catalogue.snapshot import Snapshot
from indexers.types import Ids
from retrieval.checks import check_whole
from retrieval.items.items import build_items
from retrieval.parts.finder import to_record
from retrieval.records.clusters import PartPager
from retrieval.records.items import Page
from retrieval.records.parts import Part, PartPage
from retrieval.spaces.part_owners import find_items
from retrieval.spaces.view import View


def read_page(snapshot: Snapshot, view: View, members: Ids, page: int, size: int) -> Page:
    """Return a page of items, those most similar to the mean of all members first; of parts the items that hold them,
    each once, in the order of their first part."""
    check_page(page, size)
    items = find_holders(snapshot, view, _sort_by_mean(view, members))
    items = items[np.sort(np.unique(items, return_index=True)[1])]
    shown = items[(page - 1) * size : page * size].tolist()
    rows = build_items(snapshot, snapshot.items(shown), view.items_space_id or view.space.id)
    return Page(rows, page + 1 if page * size < len(items) else None, snapshot.number)


def read_part_page(snapshot: Snapshot, view: View, parts: Ids, page: int, size: int) -> PartPage:
    """Return a page of parts, those most similar to the mean of all first."""
    check_page(page, size)
    parts = _sort_by_mean(view, parts)
    rows = read_parts(snapshot, parts[(page - 1) * size : page * size])
    return PartPage(tuple(rows.values()), page + 1 if page * size < len(parts) else None, snapshot.number)


def build_part_pager(view: View) -> PartPager | None:
    """Return what reads pages of the parts of a space; None of a space of items."""
    if view.space.parts is None:
        return None

    def read(parts: Ids, page: int, size: int) -> PartPage:
        with view.followers.current_snapshot() as snapshot:
            return read_part_page(snapshot, view, parts, page, size)

    return read


def read_parts(snapshot: Snapshot, part_ids: Ids) -> dict[int, Part]:
    """Return parts by id, in the order of their ids as given."""
    rows = snapshot.parts.rows(part_ids.tolist())
    return {part_id: to_record(rows[part_id]) for part_id in part_ids.tolist() if part_id in rows}


def find_holders(snapshot: Snapshot, view: View, members: Ids) -> Ids:
    """Return the item of each member: itself, or the item that holds it if members are parts."""
    return members if view.owners is None else find_items(view.find_owners(snapshot), members)


def check_page(page: Any, size: Any) -> None:
    """Raise BadQuery unless both are whole numbers of at least 1."""
    check_whole(page, "page is")
    check_whole(size, "size is")


def _sort_by_mean(view: View, members: Ids) -> Ids:
    """Return members that have a vector, those most similar to the mean of all first."""
    members = members[view.flat.index.has(members)]
    if len(members):
        vectors = view.flat.index.take(members)
        members = members[np.argsort(-(vectors @ vectors.mean(0)), kind="stable")]
    return members
