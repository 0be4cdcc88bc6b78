"""Duplicates in the catalogue: perceptual hashes, compared pairs and people's decisions.

`DuplicateReader` reads one moment of them, `DuplicateWriter` writes. In both, methods that read are named by what they
return.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue.metadata import INTEGER_LIMIT
from indexers.catalogue.schema import decision, fingerprint, item, location, pair
from indexers.types import Ids, Json


class UnhashedPicture(NamedTuple):
    """An item whose picture is yet to be hashed perceptually, with the hash of its content and its location."""

    item_id: int
    content_hash: bytes
    uri: str


class PictureHashes(NamedTuple):
    """Perceptual hashes of n items.

    item_ids: int64 (n,), sorted.
    hashes, mirrored_hashes: uint64 (n,), of the pictures and of their mirror images.
    are_compared: bool (n,), whether the item was compared with all others.
    """

    item_ids: Ids
    hashes: NDArray[np.uint64]
    mirrored_hashes: NDArray[np.uint64]
    are_compared: NDArray[np.bool_]


class PairRow(NamedTuple):
    """Two items, a < b, and the verdict of their comparison."""

    a: int
    b: int
    kind: str
    score: float
    evidence: Json


class Decision(NamedTuple):
    """What a person decided about two contents: "not duplicates", "keep both", or "keep" the first one."""

    id: int
    kind: str
    first: bytes
    second: bytes
    at: int


class DuplicateReader:
    """Reads hashes, pairs and decisions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _all(self, statement: sa.Executable) -> list[Any]:
        return list(self._connection.execute(statement).all())

    def unhashed_pictures(self, item_ids: Sequence[int] | None = None) -> list[UnhashedPicture]:
        """Return items (of all, or of these) that have a location and no hashes, or hashes of an older content."""
        uri = (
            sa.select(location.c.uri)
            .where(location.c.item == item.c.id, location.c.missing_since.is_(None))
            .order_by(location.c.id)
            .limit(1)
            .scalar_subquery()
        )
        is_hashed = sa.exists().where(fingerprint.c.item == item.c.id, fingerprint.c.content == item.c.hash)
        query = sa.select(item.c.id, item.c.hash, uri).where(item.c.hash.is_not(None), ~is_hashed).order_by(item.c.id)
        queries = [query] if item_ids is None else [query.where(item.c.id.in_(ids)) for ids in split_chunks(item_ids)]
        return [UnhashedPicture(*row) for part in queries for row in self._all(part) if row[2] is not None]

    def picture_hashes(self, item_ids: Sequence[int] | None = None) -> PictureHashes:
        """Return the hashes of all items, or of those among up to a thousand."""
        columns = fingerprint.c.item, fingerprint.c.hash, fingerprint.c.mirrored, fingerprint.c.compared
        query = sa.select(*columns).order_by(fingerprint.c.item)
        rows = (query if item_ids is None else query.where(fingerprint.c.item.in_(item_ids))).subquery()
        # one long text a column instead of a row an item: several times faster for 100,000
        texts = [
            sa.func.aggregate_strings(sa.cast(rows.c.item, sa.String), ","),
            sa.func.aggregate_strings(sa.func.hex(rows.c.hash), ""),
            sa.func.aggregate_strings(sa.func.hex(rows.c.mirrored), ""),
            sa.func.aggregate_strings(sa.cast(rows.c.compared, sa.String), ""),
        ]
        ids, hashes, mirrored, compared = (text or "" for text in self._all(sa.select(*texts))[0])
        words = [np.frombuffer(bytes.fromhex(text), "<u8").astype(np.uint64) for text in (hashes, mirrored)]
        are_compared = np.frombuffer(compared.encode(), np.uint8) == ord("1")
        return PictureHashes(np.fromstring(ids, dtype=np.int64, sep=","), words[0], words[1], are_compared)

    def count_hashed(self) -> int:
        """Return the number of items that have hashes."""
        return int(self._all(sa.select(sa.func.count()).select_from(fingerprint))[0][0])

    def version(self) -> tuple[int, int, int]:
        """Return numbers that differ whenever pairs, hashes or decisions have changed, in whatever process."""
        counts = [sa.select(sa.func.count()).select_from(table).scalar_subquery() for table in (pair, fingerprint)]
        decisions = sa.select(sa.func.coalesce(sa.func.sum(decision.c.id + sa.func.coalesce(decision.c.undone, 0)), 0))
        row = self._all(sa.select(*counts, decisions.scalar_subquery()))[0]
        return row[0], row[1], row[2]

    def features(self, item_ids: Sequence[int]) -> dict[int, bytes]:
        """Return the local features of those of these items that have them."""
        by_item: dict[int, bytes] = {}
        for chunk in split_chunks(item_ids):
            query = sa.select(fingerprint.c.item, fingerprint.c.features)
            rows = self._all(query.where(fingerprint.c.item.in_(chunk), fingerprint.c.features.is_not(None)))
            by_item |= {row[0]: row[1] for row in rows}
        return by_item

    def pairs(self, min_score: float, kinds: Sequence[str]) -> list[PairRow]:
        """Return the pairs of these kinds with at least that score, by their items."""
        query = sa.select(pair).where(pair.c.score >= min_score, pair.c.kind.in_(kinds)).order_by(pair.c.a, pair.c.b)
        return [PairRow(*row) for row in self._all(query)]

    def were_compared(self, a: Ids, b: Ids) -> NDArray[np.bool_]:
        """Return for each of these pairs (a < b) whether it was compared already."""
        compared: set[tuple[int, int]] = set()
        for chunk in split_chunks(np.unique(a).tolist()):
            rows = self._all(sa.select(pair.c.a, pair.c.b).where(pair.c.a.in_(chunk)))
            compared |= {(row[0], row[1]) for row in rows}
        return np.array([items in compared for items in zip(a.tolist(), b.tolist(), strict=True)], bool)

    def content_hashes(self, item_ids: Iterable[int]) -> dict[int, bytes]:
        """Return the content hash of each of these items that has one."""
        by_item: dict[int, bytes] = {}
        for chunk in split_chunks(list(item_ids)):
            rows = self._all(sa.select(item.c.id, item.c.hash).where(item.c.id.in_(chunk)))
            by_item |= {row[0]: row[1] for row in rows if row[1] is not None}
        return by_item

    def repeated_item_ids(self) -> list[int]:
        """Return the ids of items that lie in more than one location."""
        present = sa.select(location.c.item).where(location.c.missing_since.is_(None)).group_by(location.c.item)
        return [row[0] for row in self._all(present.having(sa.func.count() > 1).order_by(location.c.item))]

    def decisions(self) -> list[Decision]:
        """Return the decisions that hold, in order."""
        columns = decision.c.id, decision.c.what, decision.c.first, decision.c.second, decision.c.at
        query = sa.select(*columns).where(decision.c.undone.is_(None)).order_by(decision.c.id)
        return [Decision(*row) for row in self._all(query)]


class DuplicateWriter(DuplicateReader):
    """Reads and writes hashes, pairs and decisions, within a transaction."""

    def _do(self, statement: sa.Executable, rows: Sequence[Json] | None = None) -> None:
        if rows is None or rows:
            self._connection.execute(statement, rows)

    def put_hashes(self, hashes: Sequence[tuple[UnhashedPicture, int, int]]) -> None:
        """Write the hashes of these pictures and of their mirror images; hashes and pairs of an older content go.

        Items that were removed or replaced meanwhile are passed over.
        """
        contents = self.content_hashes(picture.item_id for picture, _, _ in hashes)
        current = [row for row in hashes if contents.get(row[0].item_id) == row[0].content_hash]
        for chunk in split_chunks([picture.item_id for picture, _, _ in current]):
            self._do(sa.delete(fingerprint).where(fingerprint.c.item.in_(chunk)))
            self._do(sa.delete(pair).where(sa.or_(pair.c.a.in_(chunk), pair.c.b.in_(chunk))))
        rows = [
            {
                "item": picture.item_id,
                "content": picture.content_hash,
                "hash": _to_bytes(word),
                "mirrored": _to_bytes(mirrored),
                "compared": False,
            }
            for picture, word, mirrored in current
        ]
        self._do(sa.insert(fingerprint), rows)

    def put_features(self, features: dict[int, bytes]) -> None:
        """Write the local features of items that have hashes, by item id."""
        for item_id, content in features.items():
            self._do(sa.update(fingerprint).where(fingerprint.c.item == item_id).values(features=content))

    def put_pairs(self, rows: Sequence[PairRow]) -> None:
        """Write pairs of items; those are passed over of which an item has no hashes or is removed."""
        hashed: set[int] = set()
        for chunk in split_chunks(sorted({item_id for row in rows for item_id in (row.a, row.b)})):
            query = sa.select(fingerprint.c.item).where(fingerprint.c.item.in_(chunk))
            hashed |= {row[0] for row in self._all(query)}
        current = [row for row in rows if row.a in hashed and row.b in hashed]
        for row in current:
            self._do(sa.delete(pair).where(pair.c.a == row.a, pair.c.b == row.b))
        self._do(sa.insert(pair), [row._asdict() for row in current])

    def mark_compared(self, item_ids: Sequence[int]) -> None:
        """Note that these items were compared with all others."""
        for chunk in split_chunks(item_ids):
            self._do(sa.update(fingerprint).where(fingerprint.c.item.in_(chunk)).values(compared=True))

    def decide(self, kind: str, first: bytes, second: bytes) -> int:
        """Enter a decision about two contents, which ends earlier ones about them, and return its id."""
        about_both = sa.and_(decision.c.first.in_([first, second]), decision.c.second.in_([first, second]))
        now = int(time.time() * 1e6)
        self._do(sa.update(decision).where(about_both, decision.c.undone.is_(None)).values(undone=now))
        values = {"what": kind, "first": first, "second": second, "at": now}
        inserted = self._connection.execute(sa.insert(decision).values(**values).returning(decision.c.id))
        return int(inserted.scalar_one())

    def undo(self, decision_id: int) -> bool:
        """Take a decision back. Return False if no decision with that id holds."""
        if abs(decision_id) >= INTEGER_LIMIT:
            return False
        query = sa.update(decision).where(decision.c.id == decision_id, decision.c.undone.is_(None))
        return bool(self._connection.execute(query.values(undone=int(time.time() * 1e6))).rowcount)


def _to_bytes(word: int) -> bytes:
    return int(word).to_bytes(8, "little")
