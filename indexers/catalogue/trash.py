"""The trash: items that were removed, as they were, until they are restored or deleted for good.

What is in it is no item: nothing that reads items, vectors or words meets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue.dialects import damage_error
from indexers.catalogue.file_metadata import FileMetadataReader
from indexers.catalogue.item_names import path_to_uri
from indexers.catalogue.metadata import is_storable, is_text
from indexers.catalogue.parts import PartReader
from indexers.catalogue.parts import is_sound as has_sound_parts
from indexers.catalogue.readings import FIELDS as READING_FIELDS
from indexers.catalogue.readings import ReadingReader
from indexers.catalogue.schema import item, location, member, trash, trash_vector, vector
from indexers.errors import ItemNotFound
from indexers.types import QUALITY, Json, TrashedRow

ITEM_COLUMNS = ("width", "height", "format", "bytes", "text", "taken_at", "added_at", "metadata", "capture", *QUALITY)
OBJECTS = "metadata", "capture"
NEWER: Json = {"capture": {}} | dict.fromkeys(QUALITY)
"""Columns that items lack which an older version has removed, and what they hold then."""
LOCATION_COLUMNS = ("uri", "size", "mtime_ns", "inode", "missing_since", "ctime_ns")
MEMBER_COLUMNS = ("space", "coarse", "medium", "fine", "since")
FILE_FIELDS = ("embedded", "applied", "sidecars", "chosen")
NEWER_FILE: Json = {"chosen": {}}


class TrashReader:
    """Reads the trash."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _all(self, statement: sa.Executable) -> list[Any]:
        return list(self._connection.execute(statement).all())

    def rows(self, item_ids: Sequence[int] | None = None, since: int = 0) -> list[TrashedRow]:
        """Return what is in the trash, or these items of it, removed after a time, the newest removal first.

        Raises CatalogueDamaged.
        """
        query = sa.select(trash).where(trash.c.removed_at > since)
        chunks = [query] if item_ids is None else [query.where(trash.c.item.in_(ids)) for ids in split_chunks(item_ids)]
        rows = [TrashedRow(*row) for chunk in chunks for row in self._all(chunk)]
        for row in rows:
            if not _is_sound(row.state):
                raise damage_error(self._connection, f"the removed item {row.id} is not what it was")
        return sorted(rows, key=lambda row: (-row.removed_at, row.id))

    def ids_until(self, moment: int) -> list[int]:
        """Return the ids of the items that were removed at or before a time, in microseconds since 1970."""
        return [row[0] for row in self._all(sa.select(trash.c.item).where(trash.c.removed_at <= moment))]

    def resolve(self, names: Sequence[int | str]) -> list[int]:
        """Return the ids of removed items named by id, key, URI or path; of several the one removed last.

        Raises ItemNotFound.
        """
        known: dict[int | str, int] = {}
        for ids in split_chunks([int(name) for name in names if not isinstance(name, str) and is_storable(name)]):
            known |= {row[0]: row[0] for row in self._all(sa.select(trash.c.item).where(trash.c.item.in_(ids)))}
        texts = [name for name in names if isinstance(name, str)]
        for keys in split_chunks([name for name in texts if is_text(name)]):
            query = sa.select(trash.c.item, trash.c.key).where(trash.c.key.in_(keys))
            known |= {row.key: row.item for row in self._all(query.order_by(trash.c.removed_at, trash.c.item))}
        if any(text not in known for text in texts):
            by_uri = self._read_uris()
            for text in texts:
                for uri in (path_to_uri(text), text):
                    if text not in known and uri in by_uri:
                        known[text] = by_uri[uri]
        for name in names:
            if name not in known:
                kind = "key or path" if isinstance(name, str) else "id"
                raise ItemNotFound(f"there is no removed item with the {kind} {name!r}; `trash` lists those there are")
        return list(dict.fromkeys(known[name] for name in names))

    def find_kept(self, hashes: Sequence[bytes], uris: Sequence[str]) -> tuple[set[bytes], set[str]]:
        """Return those hashes and URIs that items have, or others in the trash."""
        trashed = self.rows()
        kept_hashes = {row.hash for row in trashed if row.hash} & set(hashes)
        kept_uris = {place["uri"] for row in trashed for place in row.state["locations"]} & set(uris)
        for hash_chunk in split_chunks(hashes):
            kept_hashes |= {row[0] for row in self._all(sa.select(item.c.hash).where(item.c.hash.in_(hash_chunk)))}
        for uri_chunk in split_chunks(uris):
            kept_uris |= {row[0] for row in self._all(sa.select(location.c.uri).where(location.c.uri.in_(uri_chunk)))}
        return kept_hashes, kept_uris

    def _read_uris(self) -> dict[str, int]:
        return {place["uri"]: row.id for row in reversed(self.rows()) for place in row.state["locations"]}


class TrashWriter(TrashReader):
    """Reads and writes the trash."""

    def put(self, item_ids: Sequence[int], at: int) -> None:
        """Keep items, which exist, as they are: to be called before they are removed."""
        for chunk in split_chunks(item_ids):
            states = self._read_states(chunk)
            rows = self._all(sa.select(item.c.id, item.c.key, item.c.hash).where(item.c.id.in_(chunk)))
            values = [
                {"item": row.id, "key": row.key, "hash": row.hash, "removed_at": at, "state": states[row.id]}
                for row in rows
            ]
            self._connection.execute(sa.insert(trash), values)
            vectors = sa.select(vector.c.space, vector.c.item, vector.c.data).where(vector.c.item.in_(chunk))
            self._connection.execute(sa.insert(trash_vector).from_select(["space", "item", "data"], vectors))
            PartReader(self._connection).trash_vectors(chunk)

    def _read_states(self, item_ids: Sequence[int]) -> dict[int, Json]:
        columns = [item.c[name] for name in ITEM_COLUMNS]
        rows = self._all(sa.select(item.c.id, *columns).where(item.c.id.in_(item_ids)))
        states: dict[int, Json] = {
            row.id: {"item": dict(zip(ITEM_COLUMNS, row[1:], strict=True)), "locations": [], "clusters": []}
            for row in rows
        }
        for kind, table, names in (("locations", location, LOCATION_COLUMNS), ("clusters", member, MEMBER_COLUMNS)):
            query = sa.select(table.c.item, *(table.c[name] for name in names)).where(table.c.item.in_(item_ids))
            for row in self._all(query):
                states[row.item][kind].append(dict(zip(names, row[1:], strict=True)))
        for item_id, file in FileMetadataReader(self._connection).load(item_ids).items():
            known = {name: getattr(file, name) for name in FILE_FIELDS}
            states[item_id]["file"] = None if file.is_new else known
        for item_id, known in ReadingReader(self._connection).states(item_ids).items():
            states[item_id]["reading"] = known
        for item_id, known in PartReader(self._connection).read_states(item_ids).items():
            states[item_id]["parts"] = known
        return states

    def vectors(self, item_ids: Sequence[int]) -> list[tuple[int, int]]:
        """Return pairs of item and space for each vector of these removed items."""
        query = sa.select(trash_vector.c.item, trash_vector.c.space)
        chunks = [self._all(query.where(trash_vector.c.item.in_(chunk))) for chunk in split_chunks(item_ids)]
        return [(row[0], row[1]) for rows in chunks for row in rows]

    def copy_vectors(self, item_ids: Sequence[int]) -> None:
        """Give items that exist again their vectors."""
        for chunk in split_chunks(item_ids):
            columns = trash_vector.c.space, trash_vector.c.item, trash_vector.c.data
            vectors = sa.select(*columns).where(trash_vector.c.item.in_(chunk))
            self._connection.execute(sa.insert(vector).from_select(["space", "item", "data"], vectors))

    def delete(self, item_ids: Sequence[int]) -> None:
        """Delete these items from the trash."""
        for chunk in split_chunks(item_ids):
            self._connection.execute(sa.delete(trash).where(trash.c.item.in_(chunk)))


def _is_sound(state: Json) -> bool:
    """Return True if a state is of the form that `put` writes."""
    places, clusters, file = state.get("locations"), state.get("clusters"), state.get("file", "")
    if not isinstance(places, list) or not isinstance(clusters, list):
        return False
    if isinstance(file, dict):
        file = NEWER_FILE | file
    has_file = file is None or (_has_keys(file, FILE_FIELDS) and all(isinstance(file[name], dict) for name in file))
    read = state.get("reading")
    if read is not None and not _is_row(read, ("item", *READING_FIELDS)):
        return False
    if state.get("parts") is not None and not has_sound_parts(state["parts"]):
        return False
    rows = [*((place, LOCATION_COLUMNS) for place in places), *((cluster, MEMBER_COLUMNS) for cluster in clusters)]
    row = state.get("item")
    if isinstance(row, dict):
        row = NEWER | row
    return has_file and _is_row(row, ITEM_COLUMNS) and all(_is_row(*row) for row in rows)


def _is_row(row: Any, columns: Sequence[str]) -> bool:
    """Return True for values of these columns: OBJECTS are objects, the others plain."""
    return _has_keys(row, columns) and all(
        isinstance(row[name], dict) if name in OBJECTS else isinstance(row[name], str | int | float | None)
        for name in columns
    )


def _has_keys(value: Any, names: Sequence[str]) -> bool:
    return isinstance(value, dict) and value.keys() == set(names)
