"""What a transaction does to remove items, to restore them from the trash, and to delete them for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue import full_text
from indexers.catalogue.clusters import RESTORED, ClusterWriter
from indexers.catalogue.file_metadata import FileMetadata
from indexers.catalogue.merges import forget_merges
from indexers.catalogue.own_keys import OwnKeyWriter
from indexers.catalogue.schema import item, location, member, vector
from indexers.catalogue.trash import NEWER, TrashWriter
from indexers.errors import UsageError
from indexers.types import ClusterEventRow, Json, TrashedRow


class RemovalWriter(OwnKeyWriter):
    """A snapshot that removes items and restores them."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.clusters: ClusterWriter = ClusterWriter(connection)
        self.trash: TrashWriter = TrashWriter(connection)

    def remove(self, item_ids: Sequence[int], *, keep: bool = False) -> int:
        """Remove these items and all that belongs to them, and return how many existed.

        keep: put them into the trash.
        """
        removed = 0
        for chunk in split_chunks([int(item_id) for item_id in item_ids]):
            existing = self._scalars(sa.select(item.c.id).where(item.c.id.in_(chunk)))
            if keep:
                self.trash.put(existing, self.at)
            for row in self._all(sa.select(vector.c.item, vector.c.space).where(vector.c.item.in_(chunk))):
                self._log_change(row.item, row.space, "vector removed")
            self.log_parts_removed(existing)
            for item_id in existing:
                self._log_change(item_id, None, "removed")
            full_text.remove_documents(self._connection, existing)
            self.files.remove(existing)
            self._do(sa.delete(item).where(item.c.id.in_(existing)))
            if not keep:
                forget_merges(self._connection, existing)
            removed += len(existing)
        return removed

    def restore(self, item_ids: Sequence[int]) -> int:
        """Make removed items again as they were, with their ids, and return their number.

        Raises UsageError if an item has one of their keys: the same picture was added again.
        """
        rows = self.trash.rows(item_ids)
        self._refuse_taken_keys(rows)
        for chunk in split_chunks(rows):
            values = [{"id": row.id, "key": row.key, "hash": row.hash, **NEWER, **row.state["item"]} for row in chunk]
            self._do(sa.insert(item), values)
            places = [{"item": row.id, **place} for row in chunk for place in row.state["locations"]]
            self._do(sa.insert(location), self._mark_taken_places(places, {row.id: row.hash for row in chunk}))
            self.files.store({row.id: FileMetadata(**row.state["file"]) for row in chunk if row.state["file"]})
            self.readings.restore(row.state["reading"] for row in chunk if row.state.get("reading"))
            for row in chunk:
                self._log_change(row.id, None, "added")
        restored = [row.id for row in rows]
        self.trash.copy_vectors(restored)
        for item_id, space_id in self.trash.vectors(restored):
            self._log_change(item_id, space_id, "vector set")
        self.restore_parts(restored, [row.state["parts"] for row in rows if row.state.get("parts")])
        self.reindex(restored)
        self._restore_clusters(rows)
        self.trash.delete(restored)
        return len(restored)

    def purge(self, item_ids: Sequence[int]) -> list[TrashedRow]:
        """Delete removed items for good, and return what they were."""
        rows = self.trash.rows(item_ids)
        self.trash.delete([row.id for row in rows])
        forget_merges(self._connection, [row.id for row in rows])
        return rows

    def erase_removed_words(self) -> None:
        """Leave no word of removed items in the index of words."""
        full_text.erase_removed_words(self._connection)

    def _find_by_key(self, keys: Iterable[str]) -> dict[str, Any]:
        columns = item.c.id, item.c.key, item.c.hash, item.c.metadata
        by_key: dict[str, Any] = {}
        for chunk in split_chunks(list(keys)):
            query = sa.select(*columns).where(item.c.key.in_(chunk))
            if self.is_beside:  # nobody else may change them until the commit
                query = query.order_by(item.c.id).with_for_update(key_share=True)
            by_key |= {row.key: row for row in self._all(query)}
        return by_key

    def _refuse_taken_keys(self, rows: Sequence[TrashedRow]) -> None:
        taken = self._find_by_key([row.key for row in rows])
        counts = Counter(row.key for row in rows)
        for row in rows:
            if row.key in taken:
                raise UsageError(
                    f"item {row.id} can't be restored: its key {row.key!r} is that of item {taken[row.key].id} now, "
                    "which was added since; remove that one first"
                )
            if counts[row.key] > 1:
                raise UsageError(f"several removed items have the key {row.key!r}; restore one of them, by its id")

    def _mark_taken_places(self, places: list[Json], hashes: dict[int, bytes | None]) -> list[Json]:
        """Mark the places that show the picture of another item now as vanished."""
        shown: dict[str, set[bytes | None]] = {}
        for chunk in split_chunks([place["uri"] for place in places]):
            query = sa.select(location.c.uri, item.c.hash).join(item, item.c.id == location.c.item)
            for uri, content in self._all(query.where(location.c.uri.in_(chunk), location.c.missing_since.is_(None))):
                shown.setdefault(uri, set()).add(content)
        for place in places:
            if shown.get(place["uri"], set()) - {hashes[place["item"]]}:
                place["missing_since"] = place["missing_since"] or self.at
        return places

    def _restore_clusters(self, rows: Sequence[TrashedRow]) -> None:
        """Note the clusters that items and parts were in: clusters made of them continue these, with ids and names."""
        spaces = set(self.clusters.clustered_space_ids())
        known = [{"item": row.id, **place} for row in rows for place in row.state["clusters"]]
        known += [place for row in rows for place in (row.state.get("parts") or {}).get("clusters", ())]
        members = [row for row in known if row["space"] in spaces]
        for chunk in split_chunks(list({*(row.id for row in rows), *(place["item"] for place in known)})):
            self._do(sa.delete(member).where(member.c.item.in_(chunk)))
        self._do(sa.insert(member), members)
        for space_id in sorted({row["space"] for row in members}):
            count = sum(row["space"] == space_id for row in members)  # of a few spaces
            event = ClusterEventRow(None, None, RESTORED, gained=count, change=self.number + 1)
            self.clusters.add_events(space_id, [event])
