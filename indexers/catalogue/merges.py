"""What an item that is kept takes over from its duplicates: a decision like others, which is undone in one step.

Values are an item's metadata, with its text and its date under TEXT and DATE. What a merge has written is a person's
word from then on: files change it no more. Undoing it leaves alone what has been changed since.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue.file_metadata import DATE, TAKEN, TEXT, FileMetadata, FileMetadataWriter
from indexers.catalogue.schema import decision, item, merging, trash
from indexers.errors import UsageError
from indexers.types import MERGE, ItemRow, Json

_NOTHING = object()
"""Stands for the value of a key that there is not."""


class Merging(NamedTuple):
    """What an item takes over from others, by key; None: it has no such value any more.

    others: the ids of the items. content: the hash of its picture. decisions: those that are undone with it.
    """

    item_id: int
    others: tuple[int, ...]
    content: bytes
    changes: Json
    decisions: tuple[int, ...] = ()


def join_values(row: ItemRow) -> Json:
    """Return an item's values by key: its metadata, its text and its date as far as it has them."""
    return _join(row.metadata, row.text, row.taken_at)


def _join(metadata: Json, text: str | None, taken_at: str | None) -> Json:
    own = {TEXT: text, DATE: taken_at}
    return metadata | {key: value for key, value in own.items() if value is not None}


class MergeWriter:
    """Reads and writes merges, within a transaction.

    log_item: notes that an item has changed. reindex: writes again what filters read of items. follow_files: brings
    items to what their files say.
    """

    def __init__(
        self,
        connection: Connection,
        files: FileMetadataWriter,
        log_item: Callable[[int], None],
        reindex: Callable[[Sequence[int]], None],
        follow_files: Callable[[Mapping[int, FileMetadata]], None],
    ) -> None:
        self._connection, self._files = connection, files
        self._log_item, self._reindex, self._follow_files = log_item, reindex, follow_files

    def add(self, merge: Merging, moves: str | None = None) -> int:
        """Give an item what it takes over, and return the id of the decision. moves: the name of its moves."""
        values = self._read_values(merge.item_id)
        assert values is not None, "a merge is into an item that exists"
        file = self._files.load([merge.item_id])[merge.item_id]
        changes = {key: value for key, value in merge.changes.items() if values.get(key) != value}
        row: Json = {
            "item": merge.item_id,
            "others": list(merge.others),
            "before": {key: values[key] for key in changes if key in values},
            "after": {key: value for key, value in changes.items() if value is not None},
            "applied": {key: file.applied[key] for key in changes if key in file.applied}
            | ({DATE: file.chosen[TAKEN]} if DATE in changes and file.chosen else {}),
            "decisions": list(merge.decisions),
            "moves": moves,
        }
        kind = {"what": MERGE, "first": merge.content, "second": merge.content, "at": int(time.time() * 1e6)}
        inserted = self._connection.execute(sa.insert(decision).values(**kind).returning(decision.c.id))
        decision_id = int(inserted.scalar_one())
        self._connection.execute(sa.insert(merging).values(decision=decision_id, **row))
        if changes:
            claimed = file.claim(row["after"])
            if DATE in row["after"]:
                file.chosen = {TAKEN: row["after"][DATE]}
            if claimed or DATE in row["after"]:
                self._files.store({merge.item_id: file})
            self._write_values(merge.item_id, _overlay(values, changes))
        return decision_id

    def undo(self, decision_id: int) -> None:
        """Give an item back what it said before a merge, if the decision is one. Raises UsageError: it is in the
        trash. The decisions that were made with it are undone too."""
        row = self._connection.execute(sa.select(merging).where(merging.c.decision == decision_id)).one_or_none()
        if row is None:
            return
        values = self._read_values(row.item)
        if values is None:
            self._refuse_trashed(row.item)
        else:
            self._restore(row, values)
        undone = {"undone": int(time.time() * 1e6)}
        for chunk in split_chunks([decision_id, *row.decisions]):
            holds = decision.c.id.in_(chunk), decision.c.undone.is_(None)
            self._connection.execute(sa.update(decision).where(*holds).values(**undone))

    def of_moves(self, moves: str) -> list[int]:
        """Return the decisions of the merges that belong to moves and hold, the newest first. Raises UsageError: what
        was merged into is in the trash."""
        query = sa.select(merging.c.decision, merging.c.item).select_from(merging.join(decision))
        rows = self._connection.execute(
            query.where(merging.c.moves == moves, decision.c.undone.is_(None)).order_by(merging.c.decision.desc())
        ).all()
        for row in rows:
            self._refuse_trashed(row.item)
        return [row.decision for row in rows]

    def _restore(self, row: Any, values: Json) -> None:
        restored = dict(values)
        for key in {**row.before, **row.after}:
            before, after, now = (known.get(key, _NOTHING) for known in (row.before, row.after, values))
            if now == after:
                restored[key] = before
            elif isinstance(after, list) and isinstance(now, list):  # people have added more since
                gained = [part for part in after if before is _NOTHING or part not in before]
                restored[key] = [part for part in now if part not in gained] or before
        file = self._files.load([row.item])[row.item]
        file.applied |= {key: value for key, value in row.applied.items() if key != DATE}
        if restored.get(DATE) != values.get(DATE):
            file.chosen = {TAKEN: row.applied[DATE]} if DATE in row.applied else {}
        self._write_values(row.item, {key: value for key, value in restored.items() if value is not _NOTHING})
        if not file.is_new:
            self._follow_files({row.item: file})

    def _refuse_trashed(self, item_id: int) -> None:
        if self._connection.execute(sa.select(trash.c.item).where(trash.c.item == item_id)).first():
            raise UsageError(
                f"item {item_id}, which has taken over what its duplicates said, is in the trash; restore it first, "
                "then undo"
            )

    def _read_values(self, item_id: int) -> Json | None:
        query = sa.select(item.c.metadata, item.c.text, item.c.taken_at).where(item.c.id == item_id)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _join(row.metadata, row.text, row.taken_at)

    def _write_values(self, item_id: int, values: Json) -> None:
        metadata = {key: value for key, value in values.items() if key not in (TEXT, DATE)}
        row = {"metadata": metadata, "text": values.get(TEXT), "taken_at": values.get(DATE)}
        self._connection.execute(sa.update(item).where(item.c.id == item_id).values(**row))
        self._log_item(item_id)
        self._reindex([item_id])


def forget_merges(connection: Connection, item_ids: Sequence[int]) -> None:
    """Delete what merges into these items hold, which are gone for good."""
    for chunk in split_chunks(item_ids):
        connection.execute(sa.delete(merging).where(merging.c.item.in_(chunk)))


def _overlay(values: Json, changes: Json) -> Json:
    """Return values with changes, of which None takes one away."""
    return {key: value for key, value in (values | changes).items() if value is not None or key not in changes}
