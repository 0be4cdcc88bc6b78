"""Removed items on a server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from retrieval.checks import ItemName, list_names
from retrieval.client.http import to_records
from retrieval.client.items import ItemMethods
from retrieval.records.items import TrashedItem


class TrashMethods(ItemMethods):
    """The methods about removed items."""

    def trash(self) -> tuple[TrashedItem, ...]:
        """Return the removed items that `restore` brings back, the newest removal first."""
        return to_records(TrashedItem, self._get("/v1/trash")["items"])

    def restore(self, items: ItemName | Iterable[ItemName]) -> int:
        """Bring removed items back, by id or key. Return their number. Raises ItemNotFound, UsageError."""
        return cast(int, self._post("/v1/trash/restore", {"items": list_names(items)})["restored"])

    def empty_trash(self, items: ItemName | Iterable[ItemName] | None = None) -> int:
        """Delete removed items for good, all or these. Return their number. Raises ItemNotFound."""
        names = None if items is None else list_names(items)
        return cast(int, self._post("/v1/trash/empty", {"items": names})["deleted"])
