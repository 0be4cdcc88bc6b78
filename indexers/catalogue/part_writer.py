"""The part of a transaction that writes the parts of pictures, with their vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from indexers.arrays import split_chunks
from indexers.catalogue import dialects
from indexers.catalogue.parts import Finding, PartRow
from indexers.catalogue.schema import finding, item, part, part_vector, space, trash_part_vector
from indexers.catalogue.space_writer import SpaceWriter
from indexers.finders.base import FoundPart
from indexers.finders.masks import encode_mask
from indexers.finders.places import match_places
from indexers.types import Json, Space


class PartWriter(SpaceWriter):
    """A snapshot that writes parts. Those of an item go when it is removed, and when it gets another picture."""

    def add_part_space(self, of: Space, kind: str) -> Space:
        """Return the space of the vectors of one kind of parts beside a space of items; it is added if it is new."""
        name = f"{of.name}/{kind}"
        known = next((row for row in self.part_spaces(of) if row.parts == kind), None)
        if known is not None:
            return known
        row: Json = {"name": name, "embedder": of.embedder, "settings": of.settings, "fingerprint": of.fingerprint}
        row |= {"dimension": of.dimension, "metric": of.metric, "current": False, "parts": kind}
        space_id = self._connection.execute(sa.insert(space).values(**row).returning(space.c.id)).scalar_one()
        self.__dict__.pop("_part_space_ids", None)
        return Space(id=space_id, **row)

    def put_findings(self, kind: str, findings: Sequence[Finding], space_id: int) -> None:
        """Write what was found in the pictures of items, in place of earlier parts of that kind, with the vectors in a
        space of parts. Items that were removed or replaced since they were looked at are passed over.

        A part that lies where an earlier one did keeps its id, and with it its clusters.
        """
        hashes: dict[int, bytes | None] = {}
        for chunk in split_chunks([row.item_id for row in findings]):
            hashes |= {
                row.id: row.hash for row in self._all(sa.select(item.c.id, item.c.hash).where(item.c.id.in_(chunk)))
            }
        rows = [row for row in findings if row.item_id in hashes and hashes[row.item_id] == row.content]
        before: dict[int, list[PartRow]] = {}
        for known in self.parts.of_items([row.item_id for row in rows], kind):
            before.setdefault(known.item_id, []).append(known)
        self.drop_parts([row.item_id for row in rows], kind)
        columns = ("finder", "version", "content", "problem")
        self._insert_rows(
            finding,
            [{"item": row.item_id, "kind": kind, **{name: getattr(row, name) for name in columns}} for row in rows],
        )
        kept = [_continue_ids(before.get(row.item_id, []), row.parts) for row in rows]
        count = sum(part_id is None for part_ids in kept for part_id in part_ids)
        ids = iter(dialects.find(self._connection).reserve_ids(self._connection, "item", count))
        parts: list[Json] = []
        vectors: dict[int, Any] = {}
        for row, part_ids in zip(rows, kept, strict=True):
            for number, found in enumerate(row.parts):
                part_id = part_ids[number] or next(ids)
                parts.append({"id": part_id, "item": row.item_id, "kind": kind, **_to_columns(found)})
                if row.vectors is not None:
                    vectors[part_id] = row.vectors[number]
            if row.parts or row.problem is not None:
                self._log_change(row.item_id, None, "changed")
        self._insert_rows(part, parts)
        self.set_vectors(space_id, vectors, new=set(vectors))

    def drop_parts(self, item_ids: Sequence[int], kind: str | None = None) -> None:
        """Delete the parts of items, with their vectors, or those of a kind."""
        for chunk in split_chunks(item_ids):
            owned = sa.and_(part.c.item.in_(chunk), sa.true() if kind is None else part.c.kind == kind)
            looked = sa.and_(finding.c.item.in_(chunk), sa.true() if kind is None else finding.c.kind == kind)
            self._log_removed(owned)
            self._do(sa.delete(part).where(owned))
            self._do(sa.delete(finding).where(looked))

    def log_parts_removed(self, item_ids: Sequence[int]) -> None:
        """Log that the vectors of the parts of these items go, which are about to be deleted."""
        self._log_removed(part.c.item.in_(item_ids))

    def _log_removed(self, owned: sa.ColumnElement[bool]) -> None:
        query = sa.select(part_vector.c.part, part_vector.c.space).join(part, part.c.id == part_vector.c.part)
        for part_id, space_id in self._all(query.where(owned)):
            self._log_change(part_id, space_id, "vector removed")

    def drop_vectors(self, item_id: int) -> None:
        """Delete an item's vectors in every space, and its parts: they are of a picture that was replaced."""
        super().drop_vectors(item_id)
        self.drop_parts([item_id])

    def restore_parts(self, item_ids: Sequence[int], states: Iterable[Json]) -> None:
        """Write again the parts of restored items, whose `states` the trash holds, and their vectors."""
        for state in states:
            rows = [{**row, "content": bytes.fromhex(row["content"])} for row in state["findings"]]
            self._insert_rows(finding, rows)
            self._insert_rows(part, state["parts"])
        columns = trash_part_vector.c.space, trash_part_vector.c.part, trash_part_vector.c.data
        for chunk in split_chunks(item_ids):
            vectors = sa.select(*columns).where(trash_part_vector.c.item.in_(chunk))
            for space_id, part_id, _ in self._all(vectors):
                self._log_change(part_id, space_id, "vector set")
            self._do(sa.insert(part_vector).from_select(["space", "part", "data"], vectors))


def _continue_ids(before: Sequence[PartRow], parts: Sequence[FoundPart]) -> list[int | None]:
    """Return for each part the id of the earlier one that it continues; None for a new one."""
    return [before[number].id if number >= 0 else None for number in match_places(before, parts)]


def _to_columns(found: FoundPart) -> Json:
    x, y, width, height = found.box or (None, None, None, None)
    row: Json = {"x": x, "y": y, "width": width, "height": height}
    row |= {"mask": None if found.mask is None else encode_mask(found.mask), "page": found.page}
    return row | {
        "start_seconds": found.start,
        "end_seconds": found.end,
        "score": found.score,
        "text": found.text,
    }
