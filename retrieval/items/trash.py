"""Removed items: listed, restored, and deleted for good with all that was derived from them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from indexers.catalogue.catalogue import Catalogue
from indexers.errors import WriterBusy
from indexers.files import leads_outside
from indexers.pictures.scan import to_path
from indexers.types import TrashedRow
from retrieval.checks import ItemName
from retrieval.records.items import TrashedItem
from retrieval.spaces.spaces import Spaces

DAY = 24 * 3600 * 1_000_000
"""Microseconds."""
MOST_DAYS = 365_000
"""A thousand years: times beyond have more digits than dates."""
PICTURES, THUMBNAILS = "pictures", "thumbnails"
"""The folders of a collection with the pictures that were sent to it, and with thumbnails."""


class Trash:
    """What was removed from a collection. The methods are those of `Collection`, which documents them."""

    def __init__(self, catalogue: Catalogue, spaces: Spaces, days: float) -> None:
        self._catalogue, self._spaces, self.days = catalogue, spaces, min(days, MOST_DAYS)

    def read(self) -> tuple[TrashedItem, ...]:
        """Return what can be restored, the newest removal first."""
        with self._catalogue.snapshot() as snapshot:
            rows = snapshot.trash.rows(since=self._find_limit())
        return tuple(TrashedItem.of(row, row.removed_at + int(self.days * DAY)) for row in rows)

    def restore(self, names: Sequence[ItemName]) -> int:
        """Restore removed items and return their number. Raises ItemNotFound, UsageError."""
        self.empty_expired()
        with self._catalogue.transaction() as transaction:
            restored = transaction.restore(transaction.trash.resolve(names))
        self._spaces.settle()
        return restored

    def forget(self, item_ids: Sequence[int]) -> None:
        """Delete removed items at once. What indexes hold of them goes when others take their places."""
        with self._catalogue.transaction() as transaction:
            rows = transaction.purge(item_ids)
        self._delete_files(rows)

    def empty(self, names: Sequence[ItemName] | None) -> int:
        """Delete removed items for good, or all, and return their number. Raises ItemNotFound."""
        with self._catalogue.transaction() as transaction:
            row_ids = (
                [row.id for row in transaction.trash.rows()] if names is None else transaction.trash.resolve(names)
            )
            rows = transaction.purge(row_ids)
            transaction.erase_removed_words()
        self._erase(rows)
        return len(rows)

    def empty_expired(self) -> None:
        """Delete for good what was removed too long ago; later, if another writer is at work."""
        with self._catalogue.snapshot() as snapshot:
            expired = snapshot.trash.ids_until(self._find_limit())
        if expired:
            with suppress(WriterBusy):
                with self._catalogue.transaction() as transaction:
                    rows = transaction.purge(expired)
                    transaction.erase_removed_words()
                self._erase(rows)

    def _find_limit(self) -> int:
        return int(time.time() * 1e6 - self.days * DAY)

    def _erase(self, rows: Sequence[TrashedRow]) -> None:
        """Leave nothing of items deleted for good: vectors in files, SQLite's log, thumbnails, pictures sent."""
        if rows:
            self._spaces.erase_removed()
            self._catalogue.shorten_log()
            self._delete_files(rows)

    def _delete_files(self, rows: Sequence[TrashedRow]) -> None:
        """Delete thumbnails, and pictures that were sent, of items that are deleted for good."""
        with self._catalogue.snapshot() as snapshot:
            kept_hashes, kept_uris = snapshot.trash.find_kept([row.hash for row in rows if row.hash], _list_uris(rows))
        for row in rows:
            if row.hash and row.hash not in kept_hashes:
                name = row.hash.hex()
                self._delete(THUMBNAILS, (self._catalogue.folder / THUMBNAILS / name[:2]).glob(f"{name}-*.webp"))
        self._delete(PICTURES, (Path(to_path(uri)) for uri in _list_uris(rows) if uri not in kept_uris))

    def _delete(self, folder_name: str, paths: Iterable[Path]) -> None:
        """Delete those files that lie in a folder of the collection, whose every file is nearkin's own."""
        folder = self._catalogue.folder / folder_name
        for path in list(paths):
            if folder in path.parents and not leads_outside(path.parent, folder):  # by "..", or by a link
                with suppress(OSError):
                    path.unlink()
                    path.parent.rmdir()  # which may hold another item's file


def _list_uris(rows: Iterable[TrashedRow]) -> list[str]:
    return [place["uri"] for row in rows for place in row.state["locations"]]
