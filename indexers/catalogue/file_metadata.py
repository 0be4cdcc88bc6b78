"""What files say of their pictures, kept apart from what users say.

An item's metadata and text hold both. So that a changed file or sidecar never touches a user's word, the settings keep
for each item what its file says (`embedded`), what the sidecars of its locations say, and which values the item has
taken over from them (`applied`). A value that differs from the one applied is a user's, and so is a key that is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue.schema import setting
from indexers.types import Arrival, FoundFile, Json

TEXT = "$text"
"""The item's own text among applied values: users have no key that begins with $."""
TAKEN = "taken_at"
"""What goes to the item's own column, not to its metadata."""
DATE = "$taken_at"
"""An item's own date, among values that a person has merged."""
_FILE, _SIDECARS = "file {}", "sidecars {}"  # keys of settings, with the id of an item
_LISTS = "tags", "tag_paths"


@dataclass(slots=True)
class FileMetadata:
    """What the files of one item say.

    embedded: what the picture's own file says.
    applied: what the item has taken over, under TEXT its text.
    sidecars: by the URI of the picture, the state of its sidecar (`stat`) and what it says (`metadata`).
    chosen: what counts for an item's own date in place of what its files say.
    is_new: nothing was known of the item's files before.
    """

    embedded: Json = field(default_factory=dict)
    applied: Json = field(default_factory=dict)
    sidecars: dict[str, Json] = field(default_factory=dict)
    chosen: Json = field(default_factory=dict)
    is_new: bool = False

    def note(self, arrival: Arrival) -> bool:
        """Take over what an arrival says, and return whether the item has to follow."""
        before = dict(self.sidecars)
        if arrival.facts is not None:
            self.embedded = arrival.facts.metadata
        if arrival.file is not None:
            self.note_sidecar(arrival.file, arrival.sidecar)
        return arrival.facts is not None or before != self.sidecars

    def note_sidecar(self, file: FoundFile, metadata: Json | None) -> None:
        """Store the metadata in the sidecar of a file; None, of a sidecar that can't be read, keeps the earlier one."""
        if file.sidecar is None:
            self.sidecars.pop(file.uri, None)
            return
        before = self.sidecars.get(file.uri, {}).get("metadata", {})
        self.sidecars[file.uri] = {
            "stat": list_stat(file.sidecar),
            "metadata": before if metadata is None else metadata,
        }

    def combine(self) -> Json:
        """Return what all files say: sidecars before the picture's own file, and the lists of several sidecars joined.

        Under TEXT the words: title and caption.
        """
        combined: Json = {}
        for sidecar in self.sidecars.values():
            said = sidecar["metadata"]
            joined = {
                key: list(dict.fromkeys([*combined[key], *said[key]]))
                for key in _LISTS
                if key in combined and key in said
            }
            combined = said | combined | joined
        combined = self.embedded | combined
        words = [combined[key] for key in ("title", "caption") if combined.get(key)]
        return combined | ({TEXT: "\n".join(dict.fromkeys(words))} if words else {})

    def apply(self, values: Json) -> Json:
        """Return an item's values (metadata, and its text under TEXT) as the files now have them, except for users'."""
        said = {key: value for key, value in self.combine().items() if key != TAKEN}
        if self.is_new:  # what an older version has taken over from the file
            self.applied = {key: value for key, value in said.items() if values.get(key) == value}
        merged, applied = dict(values), dict[str, Any]()
        for key in {**self.applied, **said}:
            if key in self.applied and key not in values:
                applied[key] = self.applied[key]  # a user has removed it
            elif key in values and (key not in self.applied or values[key] != self.applied[key]):
                continue  # a user's value
            elif key in said:
                merged[key] = applied[key] = said[key]
            else:
                del merged[key]
        self.applied, self.is_new = applied, False
        return merged

    def claim(self, keys: Iterable[str]) -> bool:
        """Note that a user has said something under these keys, and return whether that is anything new."""
        claimed = [key for key in keys if key in self.applied]
        for key in claimed:
            del self.applied[key]
        return bool(claimed)

    def find_date(self) -> str | None:
        """Return an item's own date: the one that a person has chosen, else what its files say."""
        date: str | None = (self.combine() | self.chosen).get(TAKEN)
        return date

    def select_own(self, values: Json) -> Json:
        """Return those of an item's values that are not from its files."""
        return {key: value for key, value in values.items() if key not in self.applied or self.applied[key] != value}


class FileMetadataReader:
    """Reads what files say."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _settings(self, form: str, item_ids: Sequence[int]) -> dict[int, Any]:
        by_key = {form.format(item_id): item_id for item_id in item_ids}
        values: dict[int, Any] = {}
        for chunk in split_chunks(list(by_key)):
            query = sa.select(setting.c.key, setting.c.value).where(setting.c.key.in_(chunk))
            values |= {by_key[key]: value for key, value in self._connection.execute(query)}
        return values

    def sidecars(self, item_ids: Sequence[int]) -> dict[int, dict[str, Json]]:
        """Return by id, of those of these items that have any, the sidecars by the URI of the picture."""
        return self._settings(_SIDECARS, item_ids)

    def load(self, item_ids: Sequence[int]) -> dict[int, FileMetadata]:
        """Return by id what the files of all these items say."""
        said, sidecars = self._settings(_FILE, item_ids), self.sidecars(item_ids)
        return {
            item_id: FileMetadata(
                **said.get(item_id, {}), sidecars=sidecars.get(item_id, {}), is_new=item_id not in said
            )
            for item_id in item_ids
        }


class FileMetadataWriter(FileMetadataReader):
    """Reads and writes what files say."""

    def store(self, files: Mapping[int, FileMetadata]) -> None:
        """Write what the files of these items say."""
        self.remove(list(files))
        rows: list[Json] = []
        for item_id, file in files.items():
            value = {"embedded": file.embedded, "applied": file.applied}
            value |= {"chosen": file.chosen} if file.chosen else {}
            rows.append({"key": _FILE.format(item_id), "value": value})
            if file.sidecars:
                rows.append({"key": _SIDECARS.format(item_id), "value": file.sidecars})
        if rows:
            self._connection.execute(sa.insert(setting), rows)

    def remove(self, item_ids: Sequence[int]) -> None:
        """Delete what is known of the files of these items."""
        for chunk in split_chunks([form.format(item_id) for item_id in item_ids for form in (_FILE, _SIDECARS)]):
            self._connection.execute(sa.delete(setting).where(setting.c.key.in_(chunk)))


def list_stat(file: FoundFile) -> list[Any]:
    """Return what tells that a file has changed, as JSON holds it."""
    return [file.size, file.mtime_ns, file.inode, file.ctime_ns]


def has_changed(file: FoundFile, sidecars: Mapping[str, Json]) -> bool:
    """Return True if the sidecar of a file is not the one that is known."""
    known = sidecars.get(file.uri, {}).get("stat")
    return known != (list_stat(file.sidecar) if file.sidecar else None)
