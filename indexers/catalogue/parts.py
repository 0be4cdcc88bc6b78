"""The parts that finders have found in pictures, and which pictures have not been looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue.rows import read_pairs
from indexers.catalogue.schema import finding, item, location, member, part, part_vector, trash_part_vector
from indexers.finders.base import Box, FoundPart
from indexers.types import Ids, Json

COLUMNS = (
    *("id", "item", "kind", "x", "y", "width", "height", "mask", "page"),
    *("start_seconds", "end_seconds", "score", "text"),
)
FINDING_COLUMNS = ("item", "kind", "finder", "version", "content", "problem")
MEMBER_COLUMNS = ("item", "space", "coarse", "medium", "fine", "since")
_RANK = sa.func.coalesce(part.c.score, 0.0).desc()
_ORDER = (part.c.item, part.c.kind, _RANK, sa.func.coalesce(part.c.page, 0), part.c.start_seconds, part.c.id)
MAX_TEXT = 1_000_000
"""Characters of an item's parts that are looked through for words."""
NUMBERS = ("x", "y", "width", "height", "page", "start_seconds", "end_seconds", "score")


class Finding(NamedTuple):
    """What a finder has found in the picture of an item, whose bytes have the hash `content`.

    vectors: float32 (parts, dimension). problem: why nothing could be looked for, or None.
    """

    item_id: int
    content: bytes
    finder: str
    version: str
    parts: tuple[FoundPart, ...] = ()
    vectors: NDArray[np.float32] | None = None
    problem: str | None = None


class PartRow(NamedTuple):
    """A part as the catalogue holds it."""

    id: int
    item_id: int
    kind: str
    box: Box | None
    mask: str | None
    page: int | None
    start: float | None
    end: float | None
    score: float | None
    text: str | None
    finder: str | None
    version: str | None

    @classmethod
    def of(cls, row: Any) -> PartRow:
        """Return the record of a row of COLUMNS, with finder and version."""
        part_id, item_id, kind, x, y, width, height, *rest = row
        return cls(part_id, item_id, kind, None if x is None else (x, y, width, height), *rest)


class PartReader:
    """Reads parts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _all(self, statement: sa.Executable) -> list[Any]:
        return list(self._connection.execute(statement).all())

    def _select(self, column: sa.Column[int], ids: Iterable[int], kind: str | None = None) -> list[PartRow]:
        is_finding = sa.and_(finding.c.item == part.c.item, finding.c.kind == part.c.kind)
        columns = [*(part.c[name] for name in COLUMNS), finding.c.finder, finding.c.version]
        query = sa.select(*columns).select_from(part.outerjoin(finding, is_finding)).order_by(*_ORDER)
        if kind is not None:
            query = query.where(part.c.kind == kind)
        chunks = split_chunks([int(id_) for id_ in ids])
        return [PartRow.of(row) for chunk in chunks for row in self._all(query.where(column.in_(chunk)))]

    def rows(self, part_ids: Iterable[int]) -> dict[int, PartRow]:
        """Return these parts by id, as far as they exist."""
        return {row.id: row for row in self._select(part.c.id, part_ids)}

    def of_items(self, item_ids: Iterable[int], kind: str | None = None) -> list[PartRow]:
        """Return the parts of these items, by item and kind, the surest first, pages and frames in order; kind: only
        those of that kind."""
        return self._select(part.c.item, item_ids, kind)

    def find_owners(self, part_ids: Sequence[int]) -> tuple[Ids, Ids]:
        """Return these parts, as far as they exist, and the item of each: int64 (n,) both."""
        return read_pairs(self._connection, sa.select(part.c.id, part.c.item), part.c.id, part_ids)

    def unfound(
        self, kind: str, finder: str, version: str, *, retry_failed: bool = False, formats: Sequence[str] = ()
    ) -> list[tuple[int, bytes]]:
        """Return the ids and content hashes of the pictures with a file in which a finder has not looked for parts as
        they are now.

        retry_failed: also those in which it could not. formats: only files of these.
        """
        is_done = sa.exists().where(
            finding.c.item == item.c.id,
            finding.c.kind == kind,
            finding.c.finder == finder,
            finding.c.version == version,
            finding.c.content == item.c.hash,
        )
        if retry_failed:
            is_done = is_done.where(finding.c.problem.is_(None))
        query = sa.select(item.c.id, item.c.hash).where(*_is_to_look_at(formats), ~is_done)
        return [(row[0], row[1]) for row in self._all(query.order_by(item.c.id))]

    def texts(self, item_ids: Sequence[int]) -> dict[int, str]:
        """Return by id what the parts of these items say, of those that say anything."""
        by_item: dict[int, list[str]] = {}
        query = sa.select(part.c.item, part.c.text).where(part.c.text.is_not(None)).order_by(*_ORDER)
        for chunk in split_chunks(item_ids):
            for item_id, text in self._all(query.where(part.c.item.in_(chunk))):
                by_item.setdefault(item_id, []).append(text)
        return {item_id: "\n".join(texts)[:MAX_TEXT] for item_id, texts in by_item.items()}

    def unembedded(self, kind: str, space_id: int) -> list[int]:
        """Return the items that have parts of a kind without a vector in a space, by id."""
        has_vector = sa.exists().where(part_vector.c.part == part.c.id, part_vector.c.space == space_id)
        query = sa.select(part.c.item).where(part.c.kind == kind, ~has_vector).distinct().order_by(part.c.item)
        return [row[0] for row in self._all(query)]

    def finders(self) -> list[tuple[str, str, str]]:
        """Return the kinds of parts that were looked for, each with the finder and its version, sorted."""
        columns = finding.c.kind, finding.c.finder, finding.c.version
        return [(row[0], row[1], row[2]) for row in self._all(sa.select(*columns).distinct().order_by(*columns))]

    def count(self) -> dict[str, tuple[int, int]]:
        """Return by kind the number of items in which parts were looked for, and that of the parts."""
        items = self._all(sa.select(finding.c.kind, sa.func.count()).group_by(finding.c.kind))
        parts = dict(map(tuple, self._all(sa.select(part.c.kind, sa.func.count()).group_by(part.c.kind))))
        return {kind: (count, parts.get(kind, 0)) for kind, count in items}

    def count_looked(self, kind: str) -> tuple[int, int]:
        """Return the number of pictures that were looked at for parts of a kind as they are now, and of how many of
        them the files could not be read."""
        is_current = sa.and_(finding.c.item == item.c.id, finding.c.content == item.c.hash)
        query = sa.select(sa.func.count(), sa.func.count(finding.c.problem)).select_from(finding.join(item, is_current))
        looked, failed = self._all(query.where(finding.c.kind == kind))[0]
        return int(looked), int(failed)

    def count_waiting(self, kind: str, formats: Sequence[str] = ()) -> int:
        """Return the number of pictures with a file that were not looked at for parts of a kind as they are now;
        formats: only files of these."""
        query = sa.select(sa.func.count()).select_from(item).where(*_is_to_look_at(formats))
        is_done = sa.exists().where(
            finding.c.item == item.c.id, finding.c.kind == kind, finding.c.content == item.c.hash
        )
        return int(self._all(query.where(~is_done))[0][0])

    def read_states(self, item_ids: Sequence[int]) -> dict[int, Json]:
        """Return by id what is known of the parts of these items, as JSON, for the trash."""
        states: dict[int, Json] = {}
        for row in self._all(sa.select(finding).where(finding.c.item.in_(item_ids))):
            state = states.setdefault(row.item, {"findings": [], "parts": []})
            state["findings"].append({**row._asdict(), "content": row.content.hex()})
        for row in self._all(sa.select(part).where(part.c.item.in_(item_ids))):
            states.setdefault(row.item, {"findings": [], "parts": []})["parts"].append(row._asdict())
        owned = sa.select(part.c.item.label("owner"), member).join(member, member.c.item == part.c.id)
        for row in self._all(owned.where(part.c.item.in_(item_ids))):
            values = {name: getattr(row, name) for name in MEMBER_COLUMNS}
            states[row.owner].setdefault("clusters", []).append(values)
        return states

    def trash_vectors(self, item_ids: Sequence[int]) -> None:
        """Copy the vectors of the parts of these items, which are in the trash, to it."""
        columns = part_vector.c.space, part_vector.c.part, part.c.item, part_vector.c.data
        vectors = sa.select(*columns).join(part, part.c.id == part_vector.c.part).where(part.c.item.in_(item_ids))
        names = [column.name for column in columns]
        self._connection.execute(sa.insert(trash_part_vector).from_select(names, vectors))


def _is_to_look_at(formats: Sequence[str]) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of pictures with a file, of these formats if any are given."""
    has_file = sa.exists().where(location.c.item == item.c.id, location.c.missing_since.is_(None))
    is_of_format = [item.c.format.in_(list(formats))] if formats else []
    return [item.c.hash.is_not(None), has_file, *is_of_format]


def is_sound(state: Any) -> bool:
    """Return True if a state is of the form that `read_states` returns."""
    if not isinstance(state, dict) or state.keys() - {"clusters"} != {"findings", "parts"}:
        return False
    if not all(isinstance(rows, list) for rows in state.values()):
        return False
    if not all(isinstance(row, dict) and row.keys() == set(MEMBER_COLUMNS) for row in state.get("clusters", ())):
        return False
    if not all(type(value) is int for row in state.get("clusters", ()) for value in row.values()):
        return False
    return all(_is_row(row, COLUMNS) for row in state["parts"]) and all(
        _is_row(row, FINDING_COLUMNS) for row in state["findings"]
    )


def _is_row(row: Any, columns: Sequence[str]) -> bool:
    if not isinstance(row, dict) or row.keys() != set(columns):
        return False
    numbers = ("id", "item", *NUMBERS)
    return all(isinstance(row[name], int | float | None if name in numbers else str | None) for name in columns)
