"""All that can be written to the catalogue, within one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue import dialects
from indexers.catalogue.chances import ChanceWriter
from indexers.catalogue.clusterings import ClusteringWriter
from indexers.catalogue.corrections import CorrectionWriter
from indexers.catalogue.duplicates import DuplicateWriter, UnsketchedPicture
from indexers.catalogue.file_metadata import TEXT, FileMetadata
from indexers.catalogue.file_writer import apply_file, join_text
from indexers.catalogue.lessons import LessonWriter
from indexers.catalogue.merges import MergeWriter
from indexers.catalogue.proposals import ProposalWriter
from indexers.catalogue.removal import RemovalWriter
from indexers.catalogue.schema import (
    failure,
    item,
    location,
)
from indexers.errors import WriteConflict
from indexers.types import QUALITY, Arrival, Failure, FoundFile, Json, Sketch, StoredArrival

REPLACED = "left"
"""The key of a setting: pairs (old id, new id), one for each file whose content has moved from one item to another."""


class Transaction(RemovalWriter):
    """A snapshot that may write. Each write logs a change; `finish` numbers the changes before the commit."""

    def __init__(self, connection: Connection, *, is_beside: bool = False) -> None:
        super().__init__(connection)
        self.is_beside = is_beside
        self._placed: dict[str, set[int]] = {}
        """By URI the items that had it, or were given it, in this transaction."""
        self.clusterings: ClusteringWriter = ClusteringWriter(connection)
        self.duplicates: DuplicateWriter = DuplicateWriter(connection)
        self.chances: ChanceWriter = ChanceWriter(connection)
        self.lessons: LessonWriter = LessonWriter(connection)
        self.corrections: CorrectionWriter = CorrectionWriter(connection, self.clusters, self._log_item)
        self.merges: MergeWriter = MergeWriter(connection, self.files, self._log_item, self.reindex, self._follow_files)
        self.proposals: ProposalWriter = ProposalWriter(connection)

    def _log_item(self, item_id: int) -> None:
        self._log_change(item_id, None, "changed")

    # ---- items

    def put(
        self,
        arrivals: Sequence[Arrival],
        space_id: int | None = None,
        *,
        more_follow: bool = False,
        replace: bool = False,
    ) -> list[StoredArrival]:
        """Store arrivals. An item with the same key is updated: metadata merged (later keys win), the location and the
        vector replaced. A picture without a key of its own is known by its content.

        space_id: the space of the vectors.
        more_follow: this is one batch of several; call `drop_replaced_items` after the last.
        replace: nothing stays of an item's earlier metadata, text and vectors.
        """
        count, places, arrivals = len(arrivals), *self._address_own_keys(arrivals, space_id)
        keys = [arrival.key or (arrival.hash.hex() if arrival.hash else uuid.uuid4().hex) for arrival in arrivals]
        existing = self._find_by_key(keys)
        reverse = reversed(list(zip(keys, arrivals, strict=True)))
        first = {key: arrival for key, arrival in reverse if key not in existing}
        new_ids = self._insert([(key, first[key]) for key in dict.fromkeys(keys) if key in first])
        stored = []
        for key, arrival in zip(keys, arrivals, strict=True):
            is_new = first.get(key) is arrival
            if not is_new:  # read again what this batch has already changed
                row = existing.pop(key, None) or self._find_by_key([key])[key]
                self._replace(row, arrival) if replace else self._merge(row, arrival)
            stored.append(StoredArrival(new_ids[key] if is_new else row.id, is_new))
        ids = [row.item_id for row in stored]
        if space_id is not None:
            pairs = zip(ids, arrivals, strict=True)
            vectors = {item_id: arrival.vector for item_id, arrival in pairs if arrival.vector is not None}
            self.set_vectors(space_id, vectors, new={row.item_id for row in stored if row.is_new})
        self._put_locations([(arrival, *row) for arrival, row in zip(arrivals, stored, strict=True) if arrival.uri])
        self._note_files([(arrival, *row) for arrival, row in zip(arrivals, stored, strict=True)])
        self._put_sketches(zip(ids, arrivals, strict=True))
        if not more_follow:
            self.drop_replaced_items()
        return [stored[places[number]] for number in range(count)]

    def _put_sketches(self, rows: Iterable[tuple[int, Arrival]]) -> None:
        sketches = [
            (UnsketchedPicture(item_id, arrival.hash, arrival.uri), arrival.sketch)
            for item_id, arrival in rows
            if arrival.sketch is not None and arrival.hash is not None
        ]
        self.duplicates.put_sketches(sketches)

    def put_sketches(self, rows: Sequence[tuple[UnsketchedPicture, Sketch]]) -> None:
        """Write the sketches of pictures of existing items; those that have a new one count as changed."""
        for item_id in self.duplicates.put_sketches(rows):
            self._log_change(item_id, None, "changed")

    def _insert(self, arrivals: Sequence[tuple[str, Arrival]]) -> dict[str, int]:
        """Insert items, with what their files say, and return their ids by key."""
        if not arrivals:
            return {}
        files = {key: FileMetadata() for key, arrival in arrivals if arrival.facts or arrival.file}
        rows: list[Json] = []
        for key, arrival in arrivals:
            row: Json = {"key": key, "text": arrival.text, "added_at": self.at, "metadata": arrival.metadata}
            row |= _facts(arrival)
            if key in files:
                files[key].note(arrival)
                row |= apply_file(files[key], arrival.metadata, arrival.text)
            rows.append(row)
        new_ids = dialects.find(self._connection).insert_new(self._connection, item, rows)
        ids = {key: new_id for (key, _), new_id in zip(arrivals, new_ids, strict=True)}
        for key, _ in arrivals:
            self._log_change(ids[key], None, "added")
        self._index([(ids[row["key"]], row["metadata"]) for row in rows])
        self.files.store({ids[key]: file for key, file in files.items()})
        return ids

    def _merge(self, row: Any, arrival: Arrival) -> None:
        values: Json = {}
        self._claim(row.id, [*arrival.metadata, *(() if arrival.text is None else (TEXT,))])
        if row.metadata | arrival.metadata != row.metadata:
            values["metadata"] = row.metadata | arrival.metadata
        if arrival.text is not None:
            values["text"] = arrival.text
        if arrival.hash is not None and arrival.hash != row.hash:
            values |= _facts(arrival)
            self._leave_other_locations(row.id, arrival.uri)
            self.drop_vectors(row.id)  # of whatever model: they show the picture that was replaced
        if values:
            self._do(sa.update(item).where(item.c.id == row.id).values(**values))
            self._log_change(row.id, None, "changed")
        if "metadata" in values or "text" in values:
            self.reindex([row.id])

    def _replace(self, row: Any, arrival: Arrival) -> None:
        values: Json = {"metadata": arrival.metadata, "text": arrival.text, **_facts(arrival)}
        self.files.remove([row.id])
        self._do(sa.delete(location).where(location.c.item == row.id, location.c.uri != (arrival.uri or "")))
        self._do(sa.update(item).where(item.c.id == row.id).values(**values))
        self._log_change(row.id, None, "changed")
        self.reindex([row.id])
        if arrival.vector is None or arrival.hash != row.hash:
            self.drop_vectors(row.id)

    def update(self, item_id: int, metadata: Json, *, replace: bool = False, text: str | None = None) -> None:
        """Merge into an item's metadata, or replace it."""
        row = self._all(sa.select(item.c.id, item.c.hash, item.c.metadata).where(item.c.id == item_id))[0]
        if replace and metadata != row.metadata:
            self._do(sa.update(item).where(item.c.id == item_id).values(metadata=metadata))
            self._log_change(item_id, None, "changed")
            self.reindex([item_id])
            metadata = {}
        self._merge(row, Arrival(metadata=metadata, text=text))

    # ---- locations

    def _put_locations(self, rows: Sequence[tuple[Arrival, int, bool]]) -> None:
        """Give the URI of each arrival to its item, an id, of which is said whether it is new.

        It leaves the items that it showed before and that show other content now: to content that is new it was edited
        (see `drop_replaced_items`), by known content it was overwritten. Where a file was seen to be gone, another one
        has its name now: that is no edit, unless it was there and could not be read.
        """
        uris = [arrival.uri or "" for arrival, _, _ in rows]
        before: dict[str, dict[int, Any]] = {}
        for chunk in split_chunks(uris):
            query = sa.select(location, item.c.hash).join(item, item.c.id == location.c.item)
            for row in self._all(query.where(location.c.uri.in_(chunk)).order_by(location.c.id)):
                before.setdefault(row.uri, {})[row.item] = row
        if self.is_beside:
            for uri, seen in before.items():
                self._placed.setdefault(uri, set()).update(seen)
            for arrival, item_id, _ in rows:
                self._placed.setdefault(arrival.uri or "", set()).add(item_id)
        unreadable = self.earlier_failures(uris)
        leaving: list[tuple[int, int, str | None]] = []
        inserted: set[tuple[str, int]] = set()
        for arrival, item_id, is_new in rows:
            uri = arrival.uri or ""
            seen = before.get(uri, {})
            stat = {"missing_since": None, **_stat(arrival.file)}
            if item_id in seen:
                is_here = sa.and_(location.c.uri == uri, location.c.item == item_id)
                self._do(sa.update(location).where(is_here).values(**stat))
                if seen[item_id].missing_since is not None:
                    self._log_change(item_id, None, "changed")
            elif (uri, item_id) not in inserted:
                inserted.add((uri, item_id))
                self._unworded.add(item_id)
                self._do(sa.insert(location).values(uri=uri, item=item_id, **stat))
                if seen:
                    self._log_change(item_id, None, "changed")
            for old_id, old in seen.items():
                if old_id != item_id and None not in (old.hash, arrival.hash) and old.hash != arrival.hash:
                    self._leave_location(old_id, uri)
                    was_there = old.missing_since is None or uri in unreadable
                    leaving.append((old_id, item_id, None if is_new and not arrival.key and was_there else uri))
        self._note_replaced(leaving)
        self.clear_failures(uris)

    def _leave_location(self, item_id: int, uri: str) -> None:
        """Note that a file no longer shows an item; its place is remembered as one that has vanished."""
        is_here = sa.and_(location.c.uri == uri, location.c.item == item_id, location.c.missing_since.is_(None))
        self._do(sa.update(location).where(is_here).values(missing_since=self.at))
        self._log_change(item_id, None, "changed")

    def _leave_other_locations(self, item_id: int, uri: str | None) -> None:
        """Note that an item has another picture now, that of the file at `uri` if it has one: its other files, which
        show the earlier picture, are forgotten once all files of the run are known."""
        is_other = sa.and_(location.c.item == item_id, location.c.uri != (uri or ""))
        if uri is None:
            self._do(sa.delete(location).where(is_other))
            return
        uris = self._scalars(sa.select(location.c.uri).where(is_other, location.c.missing_since.is_(None)))
        for other_uri in uris:
            self._leave_location(item_id, other_uri)
        self._note_replaced([(item_id, item_id, other_uri) for other_uri in uris])

    def _check_beside(self) -> None:
        for chunk in split_chunks(list(self._placed)):
            query = sa.select(location.c.uri, location.c.item).where(location.c.uri.in_(chunk))
            if any(item_id not in self._placed[uri] for uri, item_id in self._all(query)):
                raise WriteConflict("another writer has meanwhile stored another picture of the same file; call again")

    def _note_replaced(self, rows: Sequence[tuple[int, int, str | None]]) -> None:
        if rows:
            self._demand_alone()
            self.set_setting(REPLACED, [*(self.setting(REPLACED) or []), *rows])

    def drop_replaced_items(self) -> None:
        """Settle what became of items whose file now has other content: drop those that were edited into new items, and
        the former places of those that lie elsewhere.

        Call it once after all batches: files may have swapped names among themselves. What a killed run leaves undone
        is kept in the settings, and done by the next run.
        """
        replaced = self.setting(REPLACED)
        if replaced:
            self._demand_alone()
        self._unworded |= {old_id for old_id, *_ in replaced or []}
        for old_id, new_id, *uri in replaced or []:
            if uri and uri[0] is not None:
                self._forget_former_place(old_id, uri[0])
            else:
                self._drop_replaced(old_id, new_id)
        if replaced:
            self._follow_vanished_files(old_id for old_id, *_ in replaced)
            self.set_setting(REPLACED, [])

    def _forget_former_place(self, item_id: int, uri: str) -> None:
        """Forget where an item's file was before it was overwritten, if the item lies elsewhere."""
        is_item = location.c.item == item_id
        if self._scalars(sa.select(location.c.id).where(is_item, location.c.missing_since.is_(None)).limit(1)):
            self._do(sa.delete(location).where(is_item, location.c.uri == uri, location.c.missing_since.is_not(None)))

    def _drop_replaced(self, old_id: int, new_id: int) -> None:
        """Let the new item of an edited file inherit what users said of the item that the file showed before, unless
        another file shows that one; delete it, unless it may come back at another place."""
        columns = item.c.id, item.c.key, item.c.hash, item.c.text, item.c.metadata
        by_id = {row.id: row for row in self._all(sa.select(*columns).where(item.c.id.in_([old_id, new_id])))}
        if by_id.keys() != {old_id, new_id}:
            return
        old, new = by_id[old_id], by_id[new_id]
        shown = set(self._scalars(sa.select(location.c.uri).where(location.c.item == new_id)))
        query = sa.select(location.c.uri, location.c.missing_since).where(location.c.item == old_id)
        places = {row.uri: row.missing_since for row in self._all(query)}
        is_shown = None in places.values()
        if (
            not is_shown and old.hash is not None and old.key == old.hash.hex()
        ):  # with a key of its own it stays as it is
            self._inherit(old, new)
            if places.keys() <= shown:
                self.remove([old_id])
                return
        if not places.keys() <= shown:
            is_former = location.c.item == old_id, location.c.missing_since.is_not(None)
            self._do(sa.delete(location).where(*is_former, location.c.uri.in_(shown)))

    def _inherit(self, old: Any, new: Any) -> None:
        """Give an item what users have said of another one, unless they have said it of this one too."""
        files = self.files.load([old.id, new.id])
        own = {row.id: files[row.id].select_own(join_text(row.metadata, row.text)) for row in (old, new)}
        stays = join_text(new.metadata, new.text) if files[old.id].is_new else own[new.id]
        inherited = {key: value for key, value in own[old.id].items() if key not in stays}
        text = inherited.pop(TEXT, None)
        self.update(new.id, inherited, text=text)
        if files[old.id].chosen and not files[new.id].chosen:
            file = self.files.load([new.id])
            file[new.id].chosen = files[old.id].chosen
            self._follow_files(file)

    def mark_present(self, files: Sequence[FoundFile]) -> None:
        """Note that these files exist, with their size and time: of the items that they were when they vanished."""
        for file in files:
            is_here = location.c.uri == file.uri
            is_same = sa.and_(is_here, location.c.size == file.size, location.c.mtime_ns == file.mtime_ns)
            found = self._scalars(sa.select(location.c.id).where(is_same).limit(1))
            row = {"missing_since": None, **_stat(file)}
            self._do(sa.update(location).where(is_same if found else is_here).values(**row))
        self._log_locations([file.uri for file in files])

    def mark_missing(self, uris: Sequence[str]) -> None:
        """Note that the files at these locations have vanished, or can't be read any more."""
        for chunk in split_chunks(uris):
            is_here = sa.and_(location.c.uri.in_(chunk), location.c.missing_since.is_(None))
            self._do(sa.update(location).where(is_here).values(missing_since=self.at))
        self._follow_vanished_files(self._log_locations(uris))

    def mark_items_missing(self, item_ids: Sequence[int]) -> None:
        """Note that all files of these items have vanished, whatever lies in their places now."""
        for chunk in split_chunks(item_ids):
            is_here = sa.and_(location.c.item.in_(chunk), location.c.missing_since.is_(None))
            self._do(sa.update(location).where(is_here).values(missing_since=self.at))
        for item_id in item_ids:
            self._log_change(item_id, None, "changed")
        self._follow_vanished_files(list(item_ids))

    def _log_locations(self, uris: Sequence[str]) -> list[int]:
        """Log a change of the items with these URIs, and return their ids."""
        item_ids: list[int] = []
        for chunk in split_chunks(uris):
            item_ids += self._scalars(sa.select(location.c.item).where(location.c.uri.in_(chunk)))
        for item_id in item_ids:
            self._log_change(item_id, None, "changed")
        return item_ids

    def record_failures(self, failures: Sequence[tuple[Failure, FoundFile | None]]) -> None:
        """Enter what could not be read, and count further attempts. Items whose file it is are marked missing."""
        self.mark_missing([failed.uri for failed, file in failures if file is not None])
        for failed, file in failures:
            is_same = failure.c.uri == failed.uri
            attempts = self._scalars(sa.select(failure.c.attempts).where(is_same))
            stat = {"size": file.size, "mtime_ns": file.mtime_ns} if file else {"size": None, "mtime_ns": None}
            row = {"stage": failed.stage, "reason": failed.reason, "at": self.at, "attempts": sum(attempts) + 1, **stat}
            if attempts:
                self._do(sa.update(failure).where(is_same).values(**row))
            else:
                self._do(sa.insert(failure).values(uri=failed.uri, **row))

    def clear_failures(self, uris: Sequence[str]) -> None:
        """Forget that these files could not be read."""
        for chunk in split_chunks(uris):
            self._do(sa.delete(failure).where(failure.c.uri.in_(chunk)))


def _facts(arrival: Arrival) -> Json:
    facts = arrival.facts
    return {
        "hash": arrival.hash,
        "bytes": arrival.bytes,
        "width": facts.width if facts else None,
        "height": facts.height if facts else None,
        "format": facts.format if facts else None,
        "taken_at": facts.taken_at if facts else None,
        "pixel_hash": None,
        "capture": facts.capture if facts else {},
        **dict(zip(QUALITY, arrival.quality or (None,) * len(QUALITY), strict=True)),
    }


def _stat(file: FoundFile | None) -> Json:
    if file is None:
        return {"size": None, "mtime_ns": None, "inode": None, "ctime_ns": None}
    return {"size": file.size, "mtime_ns": file.mtime_ns, "inode": file.inode, "ctime_ns": file.ctime_ns}
