"""What can be written to the catalogue, within one transaction."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue import full_text as words
from indexers.catalogue import metadata as attributes
from indexers.catalogue.clusterings import ClusteringWriter
from indexers.catalogue.clusters import ClusterWriter
from indexers.catalogue.duplicates import DuplicateWriter
from indexers.catalogue.schema import (
    attribute,
    change,
    counter,
    failure,
    follower,
    item,
    location,
    setting,
    space,
    vector,
)
from indexers.catalogue.snapshot import NEAR, Snapshot
from indexers.types import Arrival, ChangeKind, Failure, FoundFile, Json, Metric, Space, StoredArrival

LEFT = "left"
"""The setting that holds (old, new) for each file whose content has changed from one item to another."""


class Transaction(Snapshot):
    """A snapshot that may write. Each thing done is logged as a change; `finish` numbers them, before the commit."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.clusters: ClusterWriter = ClusterWriter(connection)
        self.clusterings: ClusteringWriter = ClusteringWriter(connection)
        self.duplicates: DuplicateWriter = DuplicateWriter(connection)
        self.at = int(time.time() * 1e6)
        self._log: dict[tuple[int, int | None], ChangeKind] = {}

    def _do(self, statement: sa.Executable, rows: Sequence[Json] | None = None) -> None:
        if rows is None or rows:
            self._connection.execute(statement, rows)

    def _logged(self, one: int, in_space: int | None, what: ChangeKind) -> None:
        before = self._log.pop((one, in_space), None)
        self._log[one, in_space] = "added" if before == "added" and what == "changed" else what

    def finish(self) -> None:
        """Number the changes. The counter's row is written by every transaction that changes something, so that it
        orders them on any database."""
        if not self._log:
            return
        rows = [
            {"number": self.number + place, "item": one, "space": in_space, "what": what, "at": self.at}
            for place, ((one, in_space), what) in enumerate(self._log.items(), 1)
        ]
        self._do(sa.insert(change), rows)
        self.number += len(rows)
        self._do(sa.update(counter).values(number=self.number))
        self._log.clear()

    # ---- items

    def put(
        self, arrivals: Sequence[Arrival], in_space: int | None = None, *, more: bool = False, replace: bool = False
    ) -> list[StoredArrival]:
        """Keep these; what is there under the same key is brought up to date: metadata merged (later keys win), the
        place and the vector replaced; with `replace`, nothing of what was said of it or seen in it before stays. A
        picture without a key of its own is known by its bytes. `more`: this is one batch of several, after the last of
        which comes `leave`."""
        keys = [one.key or (one.hash.hex() if one.hash else uuid.uuid4().hex) for one in arrivals]
        existing = self._by_key(keys)
        first = {
            key: arrival for key, arrival in reversed(list(zip(keys, arrivals, strict=True))) if key not in existing
        }
        made = self._insert([(key, first[key]) for key in dict.fromkeys(keys) if key in first])
        kept = []
        for key, arrival in zip(keys, arrivals, strict=True):
            new = first.get(key) is arrival
            if not new:  # read again what this batch has already changed
                row = existing.pop(key, None) or self._by_key([key])[key]
                self._replace(row, arrival) if replace else self._merge(row, arrival)
            kept.append(StoredArrival(made[key] if new else row.id, new))
        if in_space is not None:
            given = [(one.item_id, arrival.vector) for one, arrival in zip(kept, arrivals, strict=True)]
            self.set_vectors(
                in_space, {one: data for one, data in given if data is not None}, {one for one, new in kept if new}
            )
        self._place([(arrival, one.item_id) for arrival, one in zip(arrivals, kept, strict=True) if arrival.uri])
        if not more:
            self.leave()
        return kept

    def _by_key(self, keys: Iterable[str]) -> dict[str, Any]:
        columns = item.c.id, item.c.key, item.c.hash, item.c.metadata
        found: dict[str, Any] = {}
        for part in split_chunks(list(keys)):
            found |= {row.key: row for row in self._all(sa.select(*columns).where(item.c.key.in_(part)))}
        return found

    def _insert(self, arrivals: Sequence[tuple[str, Arrival]]) -> dict[str, int]:
        if not arrivals:
            return {}
        rows = [
            {"key": key, "text": one.text, "added_at": self.at, "metadata": one.metadata, **_facts(one)}
            for key, one in arrivals
        ]
        made = {
            row.key: row.id for row in self._connection.execute(sa.insert(item).returning(item.c.id, item.c.key), rows)
        }
        for key, _ in arrivals:
            self._logged(made[key], None, "added")
        self._describe([(made[key], one.text, one.metadata) for key, one in arrivals])
        return made

    def _merge(self, row: Any, arrival: Arrival) -> None:
        values: Json = {}
        if row.metadata | arrival.metadata != row.metadata:
            values["metadata"] = row.metadata | arrival.metadata
        if arrival.text is not None:
            values["text"] = arrival.text
        if arrival.hash is not None and arrival.hash != row.hash:
            values |= _facts(arrival)
            self.drop_vectors(row.id)  # of whatever model: they show the picture that was replaced
        if values:
            self._do(sa.update(item).where(item.c.id == row.id).values(**values))
            self._logged(row.id, None, "changed")
        if "metadata" in values or "text" in values:
            self.describe([row.id])

    def _replace(self, row: Any, arrival: Arrival) -> None:
        values: Json = {"metadata": arrival.metadata, "text": arrival.text, **_facts(arrival)}
        self._do(sa.update(item).where(item.c.id == row.id).values(**values))
        self._logged(row.id, None, "changed")
        self.describe([row.id])
        if arrival.vector is None or arrival.hash != row.hash:
            self.drop_vectors(row.id)

    def describe(self, ids: Sequence[int]) -> None:
        """Write again what filters and searches for words read of these items."""
        for part in split_chunks(ids):
            self._do(sa.delete(attribute).where(attribute.c.item.in_(part)))
            words.forget(self._connection, part)
            self._describe([(one.id, one.text, one.metadata) for one in self.items(part)])

    def _describe(self, described: Sequence[tuple[int, str | None, Json]]) -> None:
        rows = [{"item": one, **row} for one, _, metadata in described for row in attributes.flatten(metadata)]
        self._do(sa.insert(attribute), rows)
        words.put(self._connection, [(one, words.body(text, metadata)) for one, text, metadata in described])

    def update(self, one: int, metadata: Json, *, replace: bool = False, text: str | None = None) -> None:
        """Merge into an item's metadata (or put in its place)."""
        row = self._all(sa.select(item.c.id, item.c.hash, item.c.metadata).where(item.c.id == one))[0]
        if replace and metadata != row.metadata:
            self._do(sa.update(item).where(item.c.id == one).values(metadata=metadata))
            self._logged(one, None, "changed")
            self.describe([one])
            metadata = {}
        self._merge(row, Arrival(metadata=metadata, text=text))

    def remove(self, ids: Sequence[int]) -> int:
        """Forget these items and all that hangs on them; how many there were."""
        removed = 0
        for part in split_chunks([int(one) for one in ids]):
            for row in self._all(sa.select(vector.c.item, vector.c.space).where(vector.c.item.in_(part))):
                self._logged(row.item, row.space, "vector removed")
            there = self._scalars(sa.select(item.c.id).where(item.c.id.in_(part)))
            for one in there:
                self._logged(one, None, "removed")
            words.forget(self._connection, there)
            self._do(sa.delete(item).where(item.c.id.in_(there)))
            removed += len(there)
        return removed

    # ---- vectors

    def add_space(
        self, name: str, embedder: str | None, settings: Json, fingerprint: str, dimension: int, metric: Metric
    ) -> Space:
        """A new space; the first one is the current one."""
        row: Json = {"name": name, "embedder": embedder, "settings": settings, "fingerprint": fingerprint}
        row |= {"dimension": dimension, "metric": metric, "current": not self.spaces()}
        made = self._connection.execute(sa.insert(space).values(**row).returning(space.c.id)).scalar_one()
        return Space(id=made, **row)

    def set_current(self, space_id: int) -> None:
        """Search that space from now on."""
        self._do(sa.update(space).values(current=space.c.id == space_id))

    def drop_space(self, space_id: int) -> None:
        """Forget a space, its vectors and its followers."""
        self._do(sa.delete(vector).where(vector.c.space == space_id))
        self._do(sa.delete(space).where(space.c.id == space_id))
        self._do(sa.delete(setting).where(setting.c.key == NEAR.format(space_id)))

    def set_near(self, space_id: int, near: float) -> None:
        """From which similarity on two vectors of a space are worth a proof, as measured."""
        self.set_setting(NEAR.format(space_id), near)

    def set_vectors(
        self, in_space: int, vectors: dict[int, Any], fresh: set[int] | frozenset[int] = frozenset()
    ) -> None:
        """Set or replace vectors, float32. `fresh`: items that can't have one yet. An equal one counts as no change."""
        data = {one: np.ascontiguousarray(one_vector, "<f4").tobytes() for one, one_vector in vectors.items()}
        for part in split_chunks([one for one in data if one not in fresh]):
            query = sa.select(vector.c.item, vector.c.data).where(vector.c.space == in_space, vector.c.item.in_(part))
            before = {row.item: row.data for row in self._all(query)}
            for one in [one for one in part if before.get(one) == data[one]]:
                del data[one]
            self._do(
                sa.delete(vector).where(
                    vector.c.space == in_space, vector.c.item.in_([one for one in part if one in data])
                )
            )
        self._do(sa.insert(vector), [{"space": in_space, "item": one, "data": bytes_} for one, bytes_ in data.items()])
        for one in data:
            self._logged(one, in_space, "vector set")

    def embed(self, arrivals: Sequence[Arrival], in_space: int) -> list[StoredArrival]:
        """Set the vectors of items that are there; what was removed or replaced since it was read is passed over."""
        wanted = {one.item_id: one for one in arrivals if one.item_id is not None and one.vector is not None}
        for part in split_chunks(list(wanted)):
            query = sa.select(item.c.id, item.c.hash).where(item.c.id.in_(part))
            now = {row.id: row.hash for row in self._all(query)}
            same = [one for one in part if one in now and now[one] == wanted[one].hash]
            self.set_vectors(in_space, {one: wanted[one].vector for one in same})
        return [StoredArrival(one, True) for one in wanted]

    def drop_vectors(self, one: int) -> None:
        """Remove an item's vectors from every space."""
        for in_space in self._scalars(sa.select(vector.c.space).where(vector.c.item == one)):
            self._logged(one, in_space, "vector removed")
        self._do(sa.delete(vector).where(vector.c.item == one))

    # ---- places

    def _place(self, placed: Sequence[tuple[Arrival, int]]) -> None:
        """Give each URI to its item. A file that changed moves to the item of its new content."""
        before = {
            row.uri: row
            for part in split_chunks([arrival.uri or "" for arrival, _ in placed])
            for row in self._all(sa.select(location).where(location.c.uri.in_(part)))
        }
        fresh: dict[str, Json] = {}
        left: list[tuple[int, int]] = []
        for arrival, one in placed:
            uri = arrival.uri or ""
            row = {"item": one, "missing_since": None, **_stat(arrival.file)}
            if uri not in before:
                fresh[uri] = {"uri": uri, **row}
                continue
            self._do(sa.update(location).where(location.c.uri == uri).values(**row))
            if before[uri].item != one:
                self._logged(one, None, "changed")
                left.append((before[uri].item, one))
            elif before[uri].missing_since is not None:
                self._logged(one, None, "changed")
        self._do(sa.insert(location), list(fresh.values()))
        if left:
            self.set_setting(LEFT, [*(self.setting(LEFT) or []), *left])
        for part in split_chunks([arrival.uri or "" for arrival, _ in placed]):
            self._do(sa.delete(failure).where(failure.c.uri.in_(part)))

    def leave(self) -> None:
        """Let the items go whose files have changed. Only when all are in their new places: files may have changed
        names among themselves. (What a killed run leaves undone is in the settings, and done by the next one.)"""
        left = self.setting(LEFT)
        for old, new in left or []:
            self._left(old, new)
        if left:
            self.set_setting(LEFT, [])

    def _left(self, old: int, new: int) -> None:
        """The item that a changed file showed before goes, if nothing else shows it; what was said of it stays."""
        rows = self._all(
            sa.select(item.c.id, item.c.key, item.c.hash, item.c.text, item.c.metadata).where(item.c.id.in_([old, new]))
        )
        by_id = {row.id: row for row in rows}
        elsewhere = self._scalars(sa.select(location.c.id).where(location.c.item == old).limit(1))
        if by_id.keys() != {old, new} or elsewhere:
            return
        if by_id[old].hash is None or by_id[old].key != by_id[old].hash.hex():  # with a key of its own it stays
            return
        inherited = {key: value for key, value in by_id[old].metadata.items() if key not in by_id[new].metadata}
        self._merge(by_id[new], Arrival(metadata=inherited, text=by_id[old].text if by_id[new].text is None else None))
        self.remove([old])

    def touch(self, files: Sequence[FoundFile]) -> None:
        """Note that these locations are there, with this size and time."""
        for file in files:
            self._do(sa.update(location).where(location.c.uri == file.uri).values(missing_since=None, **_stat(file)))
        for part in split_chunks([file.uri for file in files]):
            for one in self._scalars(sa.select(location.c.item).where(location.c.uri.in_(part))):
                self._logged(one, None, "changed")

    def mark_missing(self, uris: Sequence[str]) -> None:
        for part in split_chunks(uris):
            self._do(sa.update(location).where(location.c.uri.in_(part)).values(missing_since=self.at))
            for one in self._scalars(sa.select(location.c.item).where(location.c.uri.in_(part))):
                self._logged(one, None, "changed")

    def fail(self, failures: Sequence[tuple[Failure, FoundFile | None]]) -> None:
        """Enter what could not be read; again, if it is there already."""
        for failed, file in failures:
            where = failure.c.uri == failed.uri
            before = self._scalars(sa.select(failure.c.attempts).where(where))
            stat = {"size": file.size, "mtime_ns": file.mtime_ns} if file else {"size": None, "mtime_ns": None}
            row = {"stage": failed.stage, "reason": failed.reason, "at": self.at, "attempts": sum(before) + 1, **stat}
            statement = sa.update(failure).where(where) if before else sa.insert(failure)
            self._do(statement.values(**row) if before else statement.values(uri=failed.uri, **row))

    def forgive(self, uris: Sequence[str]) -> None:
        """Strike failures off the ledger."""
        for part in split_chunks(uris):
            self._do(sa.delete(failure).where(failure.c.uri.in_(part)))

    # ---- followers and settings

    def saved(self, name: str, space_id: int, position: int, generation: int) -> None:
        """Remember that a follower's file reaches this position."""
        where = follower.c.name == name, follower.c.space == space_id
        self._do(sa.delete(follower).where(*where))
        self._do(sa.insert(follower).values(name=name, space=space_id, position=position, generation=generation))

    def prune(self, keep: int) -> None:
        """Forget changes that every stored follower has carried out, but for the newest `keep`."""
        lowest = next(iter(self._scalars(sa.select(sa.func.min(follower.c.position)))), None)
        oldest = min(lowest or 0, self.number - keep)
        if oldest > self.oldest:
            self._do(sa.delete(change).where(change.c.number < oldest))
            self._do(sa.update(counter).values(oldest=oldest))

    def set_setting(self, key: str, value: Any) -> None:
        self._do(sa.delete(setting).where(setting.c.key == key))
        self._do(sa.insert(setting).values(key=key, value=value))


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
    }


def _stat(file: FoundFile | None) -> Json:
    if file is None:
        return {"size": None, "mtime_ns": None, "inode": None}
    return {"size": file.size, "mtime_ns": file.mtime_ns, "inode": file.inode}
