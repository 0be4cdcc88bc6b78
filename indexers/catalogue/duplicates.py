"""Duplicates in the catalogue: perceptual hashes, compared pairs and people's decisions.

`DuplicateReader` reads one moment of them, `DuplicateWriter` writes. In both, methods that read are named by what they
return.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue.metadata import INTEGER_LIMIT
from indexers.catalogue.schema import decision, feature, fingerprint, item, location, pair
from indexers.types import COVER, DECISIONS, Ids, Json, Sketch


class UnsketchedPicture(NamedTuple):
    """An item whose picture is yet to be sketched, with the hash of its content and its location."""

    item_id: int
    content_hash: bytes
    uri: str | None


class PictureHashes(NamedTuple):
    """Perceptual hashes of n items.

    item_ids: int64 (n,), sorted.
    hashes: uint64 (n, 8), of eight views; the first is the picture as it is.
    are_compared: bool (n,), whether the item was compared with all others.
    """

    item_ids: Ids
    hashes: NDArray[np.uint64]
    are_compared: NDArray[np.bool_]


class PairRow(NamedTuple):
    """Two items, a < b, and the verdict of their comparison."""

    a: int
    b: int
    kind: str
    score: float
    evidence: Json


class Decision(NamedTuple):
    """What a person decided about two contents: "not duplicates", "keep both", or "keep" the first one.

    Of a cover both are the same.
    """

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

    def unsketched_pictures(
        self, item_ids: Sequence[int] | None = None, *, described: bool = True
    ) -> list[UnsketchedPicture]:
        """Return items (of all, or of these) that have a location and no sketch, or that of an older content.

        described: a sketch without compact features counts as none.
        """
        uri = (
            sa.select(location.c.uri)
            .where(location.c.item == item.c.id, location.c.missing_since.is_(None))
            .order_by(location.c.id)
            .limit(1)
            .scalar_subquery()
        )
        is_sketched = sa.exists().where(fingerprint.c.item == item.c.id, fingerprint.c.content == item.c.hash)
        if described:
            is_sketched = is_sketched.where(fingerprint.c.described)
        query = sa.select(item.c.id, item.c.hash, uri).where(item.c.hash.is_not(None), ~is_sketched).order_by(item.c.id)
        queries = [query] if item_ids is None else [query.where(item.c.id.in_(ids)) for ids in split_chunks(item_ids)]
        return [UnsketchedPicture(*row) for part in queries for row in self._all(part) if row[2] is not None]

    def picture_hashes(self, item_ids: Sequence[int] | None = None) -> PictureHashes:
        """Return the hashes of all items, or of those among up to a thousand."""
        columns = fingerprint.c.item, fingerprint.c.hashes, fingerprint.c.compared
        query = sa.select(*columns).order_by(fingerprint.c.item)
        rows = (query if item_ids is None else query.where(fingerprint.c.item.in_(item_ids))).subquery()
        # one long text a column instead of a row an item: several times faster for 100,000
        texts = [
            sa.func.aggregate_strings(sa.cast(rows.c.item, sa.String), ","),
            sa.func.aggregate_strings(sa.func.hex(rows.c.hashes), ""),
            sa.func.aggregate_strings(sa.cast(sa.cast(rows.c.compared, sa.Integer), sa.String), ""),
        ]
        ids, hashes, compared = (text or "" for text in self._all(sa.select(*texts))[0])
        words = np.frombuffer(bytes.fromhex(hashes), "<u8").astype(np.uint64).reshape(-1, 8)
        are_compared = np.frombuffer(compared.encode(), np.uint8) == ord("1")
        return PictureHashes(np.fromstring(ids, dtype=np.int64, sep=","), words, are_compared)

    def described_contents(self, item_ids: Sequence[int] | None = None) -> dict[int, bytes]:
        """Return the content hash of the items (of all, or of these) that have compact features, by id."""
        query = sa.select(fingerprint.c.item, fingerprint.c.content).where(fingerprint.c.described)
        if item_ids is None:
            return {row[0]: row[1] for row in self._all(query)}
        parts = [self._all(query.where(fingerprint.c.item.in_(chunk))) for chunk in split_chunks(item_ids)]
        return {row[0]: row[1] for rows in parts for row in rows}

    def count_hashed(self) -> int:
        """Return the number of items that have hashes."""
        return int(self._all(sa.select(sa.func.count()).select_from(fingerprint))[0][0])

    def version(self) -> tuple[int, int, int]:
        """Return numbers that differ whenever pairs, hashes or decisions have changed, in whatever process."""
        counts = [sa.select(sa.func.count()).select_from(table).scalar_subquery() for table in (pair, fingerprint)]
        decisions = sa.select(sa.func.count() + sa.func.count(decision.c.undone)).select_from(decision)  # it only grows
        row = self._all(sa.select(*counts, decisions.scalar_subquery()))[0]
        return row[0], row[1], row[2]

    def features(self, item_ids: Sequence[int], *, compact: bool = False) -> dict[int, bytes]:
        """Return the complete local features (or the compact ones) of those of these items that have them."""
        column = feature.c.compact if compact else feature.c.complete
        by_item: dict[int, bytes] = {}
        for chunk in split_chunks(item_ids):
            query = sa.select(feature.c.item, column).where(feature.c.item.in_(chunk), column.is_not(None))
            by_item |= {row[0]: row[1] for row in self._all(query)}
        return by_item

    def clarities(self, item_ids: Sequence[int]) -> dict[int, bytes]:
        """Return where pictures are sharp and bright (`indexers.matching.clarity`), of those of these items of which it
        is known."""
        by_item: dict[int, bytes] = {}
        for chunk in split_chunks(item_ids):
            query = sa.select(fingerprint.c.item, fingerprint.c.clarity).where(fingerprint.c.item.in_(chunk))
            by_item |= {row[0]: row[1] for row in self._all(query) if row[1] is not None}
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
        of_contents = sa.and_(decision.c.undone.is_(None), decision.c.what.in_(DECISIONS))
        query = sa.select(*columns).where(of_contents).order_by(decision.c.id)
        return [Decision(*row) for row in self._all(query)]

    def covers(self) -> list[Decision]:
        """Return which contents people have chosen as covers of stacks, in order; `kind` is that of the stacks."""
        columns = decision.c.id, decision.c.what, decision.c.first, decision.c.second, decision.c.at
        chosen = decision.c.what.startswith(COVER), decision.c.undone.is_(None)
        rows = self._all(sa.select(*columns).where(*chosen).order_by(decision.c.id))
        return [Decision(row[0], row[1].removeprefix(COVER), *row[2:]) for row in rows]


class DuplicateWriter(DuplicateReader):
    """Reads and writes hashes, pairs and decisions, within a transaction."""

    def _do(self, statement: sa.Executable, rows: Sequence[Json] | None = None) -> None:
        if rows is None or rows:
            self._connection.execute(statement, rows)

    def put_sketches(self, rows: Sequence[tuple[UnsketchedPicture, Sketch]]) -> list[int]:
        """Write the sketches of these pictures; return the ids of the items whose sketch is new.

        Complete features and pairs of an older content go. Items that were removed or replaced meanwhile are passed
        over, and so are those that have a sketch of the same content that says as much.
        """
        item_ids = [picture.item_id for picture, _ in rows]
        contents, before = self.content_hashes(item_ids), self._sketched_contents(item_ids)
        written = []
        for picture, sketch in rows:
            old, is_described = before.get(picture.item_id, (None, False))
            if contents.get(picture.item_id) == picture.content_hash and (
                old != picture.content_hash or (sketch.compact is not None and not is_described)
            ):
                written.append((picture, sketch))
                before[picture.item_id] = picture.content_hash, sketch.compact is not None
                if old is not None and old != picture.content_hash:
                    self.drop_evidence([picture.item_id])
        for chunk in split_chunks([picture.item_id for picture, _ in written]):
            self._do(sa.delete(fingerprint).where(fingerprint.c.item.in_(chunk)))
        fingerprints = [
            {
                "item": picture.item_id,
                "content": picture.content_hash,
                "hashes": np.array(sketch.hashes, "<u8").tobytes(),
                "described": sketch.compact is not None,
                "compared": False,
                "clarity": sketch.clarity,
            }
            for picture, sketch in written
        ]
        self._do(sa.insert(fingerprint), fingerprints)
        self._put_features({picture.item_id: sketch.compact for picture, sketch in written}, "compact")
        return [picture.item_id for picture, _ in written]

    def _sketched_contents(self, item_ids: Sequence[int]) -> dict[int, tuple[bytes | None, bool]]:
        columns = fingerprint.c.item, fingerprint.c.content, fingerprint.c.described
        parts = [
            self._all(sa.select(*columns).where(fingerprint.c.item.in_(chunk))) for chunk in split_chunks(item_ids)
        ]
        return {row[0]: (row[1], row[2]) for rows in parts for row in rows}

    def drop_evidence(self, item_ids: Sequence[int]) -> None:
        """Delete the features and the pairs of these items."""
        for chunk in split_chunks(item_ids):
            self._do(sa.delete(feature).where(feature.c.item.in_(chunk)))
            self._do(sa.delete(pair).where(sa.or_(pair.c.a.in_(chunk), pair.c.b.in_(chunk))))

    def put_features(self, features: dict[int, bytes]) -> None:
        """Write the complete local features of items, by item id; items without a sketch are passed over."""
        sketched = self._sketched_contents(list(features))
        self._put_features({item_id: features[item_id] for item_id in features if item_id in sketched}, "complete")

    def _put_features(self, features: Mapping[int, bytes | None], column: str) -> None:
        kept: set[int] = set()
        for chunk in split_chunks(list(features)):
            kept |= {row[0] for row in self._all(sa.select(feature.c.item).where(feature.c.item.in_(chunk)))}
        rows = [{"at": item_id, "data": features[item_id]} for item_id in features if item_id in kept]
        update = sa.update(feature).where(feature.c.item == sa.bindparam("at"))
        self._do(update.values({column: sa.bindparam("data")}), rows)
        self._do(sa.insert(feature), [{"item": i, column: data} for i, data in features.items() if i not in kept])

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

    def put_clarities(self, clarities: Mapping[int, bytes]) -> None:
        """Write where pictures are sharp and bright, of items that have hashes."""
        for item_id, data in clarities.items():
            self._do(sa.update(fingerprint).where(fingerprint.c.item == item_id).values(clarity=data))

    def mark_compared(self, item_ids: Sequence[int]) -> None:
        """Note that these items were compared with all others."""
        for chunk in split_chunks(item_ids):
            self._do(sa.update(fingerprint).where(fingerprint.c.item.in_(chunk)).values(compared=True))

    def decide(self, kind: str, first: bytes, second: bytes) -> int:
        """Enter a decision about two contents, which ends earlier ones about them, and return its id."""
        both = [first, second]
        about_both = decision.c.first.in_(both), decision.c.second.in_(both), decision.c.what.in_(DECISIONS)
        now = int(time.time() * 1e6)
        self._do(sa.update(decision).where(*about_both, decision.c.undone.is_(None)).values(undone=now))
        return self._enter(kind, first, second)

    def choose_cover(self, kind: str, content: bytes) -> int:
        """Enter that a content is the cover of its stack of a kind, and return the decision's id. The last counts."""
        return self._enter(COVER + kind, content, content)

    def _enter(self, kind: str, first: bytes, second: bytes) -> int:
        now = int(time.time() * 1e6)
        values = {"what": kind, "first": first, "second": second, "at": now}
        inserted = self._connection.execute(sa.insert(decision).values(**values).returning(decision.c.id))
        return int(inserted.scalar_one())

    def undo(self, decision_id: int) -> bool:
        """Take a decision back. Return False if no decision with that id holds."""
        if abs(decision_id) >= INTEGER_LIMIT:
            return False
        query = sa.update(decision).where(decision.c.id == decision_id, decision.c.undone.is_(None))
        return bool(self._connection.execute(query.values(undone=int(time.time() * 1e6))).rowcount)
