"""Which item each part of a space is in."""

from __future__ import annotations

from threading import Lock

import numpy as np

from indexers.arrays import NO_INTS
from indexers.catalogue.snapshot import Snapshot
from indexers.types import Ids


class PartOwners:
    """The items of the parts of one space. A part never changes its item, so that only new ones are looked up."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._number = -1
        self._parts = self._items = NO_INTS

    def advance(self, snapshot: Snapshot, part_ids: Ids) -> tuple[Ids, Ids]:
        """Return parts, sorted, with the item of each: at least those of `part_ids`, which exist at the snapshot's
        moment."""
        with self._lock:
            if snapshot.number != self._number:
                parts, items = self._parts, self._items
                new = np.setdiff1d(part_ids, parts, assume_unique=True)
                if len(new) or len(parts) > 2 * len(part_ids):
                    keep = np.isin(parts, part_ids, assume_unique=True)
                    found, owners = snapshot.parts.find_owners(new.tolist())
                    parts, items = np.concatenate([parts[keep], found]), np.concatenate([items[keep], owners])
                    order = np.argsort(parts, kind="stable")
                    self._parts, self._items = parts[order], items[order]
                self._number = snapshot.number
            return self._parts, self._items


def find_items(owners: tuple[Ids, Ids], part_ids: Ids) -> Ids:
    """Return the item of each part, 0 for an unknown part."""
    parts, items = owners
    if not len(parts):
        return np.zeros(len(part_ids), np.int64)
    place = np.minimum(np.searchsorted(parts, part_ids), len(parts) - 1)
    return np.where(parts[place] == part_ids, items[place], 0)


def find_parts_in(owners: tuple[Ids, Ids], item_ids: Ids) -> Ids:
    """Return the parts that are in any of these items, sorted."""
    parts, items = owners
    return parts[np.isin(items, item_ids)]
