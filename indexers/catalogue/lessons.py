"""What the collection learns to tell apart, and what people say of items for it.

A label is a decision like others, and is undone like them. It names an item by its id and by the hash of its content:
it holds for the same picture when that is added again, and whatever model there is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue.schema import decision, item, label, lesson
from indexers.types import LABEL, Json


class LessonRow(NamedTuple):
    """What is learned under a name.

    method: a classifier, or "auto". source: where labels come from beside those that people gave: a metadata key, a
    level, a clustering or "folder"; None: nowhere else. chosen: the method that was chosen for "auto", if any was yet.
    """

    name: str
    method: str
    settings: Json
    source: str | None
    chosen: str | None = None


class LabelRow(NamedTuple):
    """What a person said of an item: that it is of a class, or is not."""

    decision: int
    item_id: int
    value: str
    is_accepted: bool


class LessonReader:
    """Reads lessons and labels."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self) -> list[LessonRow]:
        """Return all lessons by name."""
        columns = lesson.c.name, lesson.c.method, lesson.c.settings, lesson.c.source, lesson.c.chosen
        return [LessonRow(*row) for row in self._connection.execute(sa.select(*columns).order_by(lesson.c.name))]

    def find(self, name: str) -> LessonRow | None:
        """Return the lesson of that name, if there is one."""
        return next((row for row in self.rows() if row.name == name), None)

    def version(self) -> tuple[int, int]:
        """Return numbers that differ whenever a label was given or taken back."""
        query = sa.select(sa.func.count(), sa.func.count(decision.c.undone)).select_from(decision)
        row = self._connection.execute(query.where(decision.c.what == LABEL)).one()
        return int(row[0]), int(row[1])

    def labels(self, name: str) -> list[LabelRow]:
        """Return what people have said for a lesson and not taken back, of items that there are, the oldest first."""
        columns = label.c.decision, label.c.item, label.c.content, label.c.value, label.c.accepted
        query = sa.select(*columns).select_from(label.join(decision))
        query = query.where(label.c.lesson == name, decision.c.undone.is_(None))
        rows = self._connection.execute(query.order_by(label.c.decision, label.c.item)).all()
        present = self._find_ids(item.c.id, [row.item for row in rows])
        again = self._find_ids(item.c.hash, [row.content for row in rows if row.content and row.item not in present])
        labels = []
        for row in rows:
            item_id = row.item if row.item in present else again.get(row.content)
            if item_id is not None:
                labels.append(LabelRow(row.decision, int(item_id), row.value, bool(row.accepted)))
        return labels

    def _find_ids(self, column: sa.ColumnElement[Any], values: Sequence[Any]) -> dict[Any, int]:
        """Return the first item by the values of a column."""
        ids: dict[Any, int] = {}
        for chunk in split_chunks(values):
            query = sa.select(column, item.c.id).where(column.in_(chunk)).order_by(item.c.id.desc())
            ids |= {row[0]: row[1] for row in self._connection.execute(query)}
        return ids


class LessonWriter(LessonReader):
    """Reads and writes them, within a transaction."""

    def put(self, row: LessonRow) -> None:
        """Write a lesson, in the place of an earlier one of its name."""
        self.drop(row.name)
        self._connection.execute(sa.insert(lesson).values(**row._asdict(), at=int(time.time() * 1e6)))

    def drop(self, name: str) -> None:
        """Forget a lesson. What people said for it stays."""
        self._connection.execute(sa.delete(lesson).where(lesson.c.name == name))

    def add_labels(self, name: str, value: str, contents: Mapping[int, bytes | None], is_accepted: bool) -> int:
        """Enter that items are of a class, or are not, and return the id of the decision.

        contents: the hashes of the items' contents by id; None for those that have none.
        """
        values = {"what": LABEL, "first": b"", "second": b"", "at": int(time.time() * 1e6)}
        decision_id = int(
            self._connection.execute(sa.insert(decision).values(**values).returning(decision.c.id)).scalar_one()
        )
        same = {"decision": decision_id, "lesson": name, "value": value, "accepted": is_accepted}
        rows = [{**same, "item": item_id, "content": content} for item_id, content in contents.items()]
        self._connection.execute(sa.insert(label), rows)
        return decision_id
