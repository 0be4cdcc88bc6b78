"""What the catalogue holds about duplicates: perceptual hashes, compared pairs, decisions. `DuplicateReader` reads one
moment of it, `DuplicateWriter` writes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from indexers.catalogue.schema import decision, fingerprint, item, location, pair
from indexers.types import Ids, Json

CHUNK = 1000


class UnhashedPicture(NamedTuple):
    """An item whose picture is to be looked at: the hash of its content, and where it lies."""

    item_id: int
    content_hash: bytes
    uri: str


class PictureHashes(NamedTuple):
    """Perceptual hashes of n items: `items` int64, sorted; `hashes`, `mirrored` uint64; `compared` bool."""

    item_ids: Ids
    hashes: NDArray[np.uint64]
    mirrored_hashes: NDArray[np.uint64]
    are_compared: NDArray[np.bool_]


class PairRow(NamedTuple):
    """Two items, a < b, and what their comparison gave."""

    a: int
    b: int
    kind: str
    score: float
    evidence: Json


class Decision(NamedTuple):
    """What a person said of two contents: "not duplicates", "keep both", or "keep" the first one."""

    id: int
    kind: str
    first: bytes
    second: bytes
    at: int


class DuplicateReader:
    """Reads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _all(self, statement: sa.Executable) -> list[Any]:
        return list(self._connection.execute(statement).all())

    def unprinted(self, among: Sequence[int] | None = None) -> list[UnhashedPicture]:
        """Items (all, or of these) with a place that is not missing, whose hashes are not there or of an older
        content."""
        place = (
            sa.select(location.c.uri)
            .where(location.c.item == item.c.id, location.c.missing_since.is_(None))
            .order_by(location.c.id)
            .limit(1)
            .scalar_subquery()
        )
        fresh = sa.exists().where(fingerprint.c.item == item.c.id, fingerprint.c.content == item.c.hash)
        query = sa.select(item.c.id, item.c.hash, place).where(item.c.hash.is_not(None), ~fresh).order_by(item.c.id)
        parts = [query] if among is None else [query.where(item.c.id.in_(part)) for part in _parts(among)]
        return [UnhashedPicture(*row) for part in parts for row in self._all(part) if row[2] is not None]

    def prints(self, among: Sequence[int] | None = None) -> PictureHashes:
        """Of all items, or of at most a thousand of them."""
        columns = fingerprint.c.item, fingerprint.c.hash, fingerprint.c.mirrored, fingerprint.c.compared
        query = sa.select(*columns).order_by(fingerprint.c.item)
        inner = (query if among is None else query.where(fingerprint.c.item.in_(among))).subquery()
        # long texts instead of a row an item: several times faster for 100,000
        texts = [
            sa.func.aggregate_strings(sa.cast(inner.c.item, sa.String), ","),
            sa.func.aggregate_strings(sa.func.hex(inner.c.hash), ""),
            sa.func.aggregate_strings(sa.func.hex(inner.c.mirrored), ""),
            sa.func.aggregate_strings(sa.cast(inner.c.compared, sa.String), ""),
        ]
        items, hashes, mirrored, compared = (text or "" for text in self._all(sa.select(*texts))[0])
        words = [np.frombuffer(bytes.fromhex(text), "<u8").astype(np.uint64) for text in (hashes, mirrored)]
        found = np.fromstring(items, dtype=np.int64, sep=",")
        return PictureHashes(found, words[0], words[1], np.frombuffer(compared.encode(), np.uint8) == ord("1"))

    def count_prints(self) -> int:
        return int(self._all(sa.select(sa.func.count()).select_from(fingerprint))[0][0])

    def state(self) -> tuple[int, int, int]:
        """Changes whenever pairs, hashes or decisions do (in one process or another)."""
        counts = [sa.select(sa.func.count()).select_from(table).scalar_subquery() for table in (pair, fingerprint)]
        decided = sa.select(sa.func.coalesce(sa.func.sum(decision.c.id + sa.func.coalesce(decision.c.undone, 0)), 0))
        row = self._all(sa.select(*counts, decided.scalar_subquery()))[0]
        return row[0], row[1], row[2]

    def features(self, items: Sequence[int]) -> dict[int, bytes]:
        """Of those of these items that have them."""
        found: dict[int, bytes] = {}
        for part in _parts(items):
            query = sa.select(fingerprint.c.item, fingerprint.c.features)
            rows = self._all(query.where(fingerprint.c.item.in_(part), fingerprint.c.features.is_not(None)))
            found |= {row[0]: row[1] for row in rows}
        return found

    def pairs(self, least: float, kinds: Sequence[str]) -> list[PairRow]:
        """Of these kinds, with at least that score, in order."""
        query = sa.select(pair).where(pair.c.score >= least, pair.c.kind.in_(kinds)).order_by(pair.c.a, pair.c.b)
        return [PairRow(*row) for row in self._all(query)]

    def compared(self, a: Ids, b: Ids) -> NDArray[np.bool_]:
        """Which of these pairs (a < b) were compared already."""
        found: set[tuple[int, int]] = set()
        for part in _parts(np.unique(a).tolist()):
            found |= {(row[0], row[1]) for row in self._all(sa.select(pair.c.a, pair.c.b).where(pair.c.a.in_(part)))}
        return np.array([one in found for one in zip(a.tolist(), b.tolist(), strict=True)], bool)

    def contents(self, items: Iterable[int]) -> dict[int, bytes]:
        """The content hash of each item that has one."""
        found: dict[int, bytes] = {}
        for part in _parts(list(items)):
            found |= {row[0]: row[1] for row in self._all(sa.select(item.c.id, item.c.hash).where(item.c.id.in_(part)))}
        return {one: content for one, content in found.items() if content is not None}

    def repeated(self) -> list[int]:
        """Items that lie in more than one place."""
        here = sa.select(location.c.item).where(location.c.missing_since.is_(None)).group_by(location.c.item)
        return [row[0] for row in self._all(here.having(sa.func.count() > 1).order_by(location.c.item))]

    def decisions(self) -> list[Decision]:
        """Those that hold, in order."""
        columns = decision.c.id, decision.c.what, decision.c.first, decision.c.second, decision.c.at
        query = sa.select(*columns).where(decision.c.undone.is_(None)).order_by(decision.c.id)
        return [Decision(*row) for row in self._all(query)]


class DuplicateWriter(DuplicateReader):
    """Reads and writes; within a transaction."""

    def _do(self, statement: sa.Executable, rows: Sequence[Json] | None = None) -> None:
        if rows is None or rows:
            self._connection.execute(statement, rows)

    def put_prints(self, prints: Sequence[tuple[UnhashedPicture, int, int]]) -> None:
        """Hashes of these items and of their mirror images; what was known of an older content is forgotten. Items
        that were removed or replaced meanwhile are passed over."""
        now = self.contents(one.item_id for one, _, _ in prints)
        fresh = [(one, a, b) for one, a, b in prints if now.get(one.item_id) == one.content_hash]
        for part in _parts([one.item_id for one, _, _ in fresh]):
            self._do(sa.delete(fingerprint).where(fingerprint.c.item.in_(part)))
            self._do(sa.delete(pair).where(sa.or_(pair.c.a.in_(part), pair.c.b.in_(part))))
        rows = [
            {
                "item": one.item_id,
                "content": one.content_hash,
                "hash": _bytes(a),
                "mirrored": _bytes(b),
                "compared": False,
            }
            for one, a, b in fresh
        ]
        self._do(sa.insert(fingerprint), rows)

    def put_features(self, features: dict[int, bytes]) -> None:
        for one, data in features.items():
            self._do(sa.update(fingerprint).where(fingerprint.c.item == one).values(features=data))

    def put_pairs(self, rows: Sequence[PairRow]) -> None:
        """Of items that are there and have hashes."""
        known: set[int] = set()
        for part in _parts(sorted({one for row in rows for one in row[:2]})):
            query = sa.select(fingerprint.c.item).where(fingerprint.c.item.in_(part))
            known |= {row[0] for row in self._all(query)}
        fresh = [row for row in rows if row.a in known and row.b in known]
        for row in fresh:
            self._do(sa.delete(pair).where(pair.c.a == row.a, pair.c.b == row.b))
        self._do(sa.insert(pair), [row._asdict() for row in fresh])

    def set_compared(self, items: Sequence[int]) -> None:
        for part in _parts(items):
            self._do(sa.update(fingerprint).where(fingerprint.c.item.in_(part)).values(compared=True))

    def decide(self, what: str, first: bytes, second: bytes) -> int:
        """Enter a decision; its id. What was decided of the two before no longer holds."""
        both = sa.and_(decision.c.first.in_([first, second]), decision.c.second.in_([first, second]))
        now = int(time.time() * 1e6)
        self._do(sa.update(decision).where(both, decision.c.undone.is_(None)).values(undone=now))
        values = {"what": what, "first": first, "second": second, "at": now}
        made = self._connection.execute(sa.insert(decision).values(**values).returning(decision.c.id))
        return int(made.scalar_one())

    def undo(self, one: int) -> bool:
        """Take a decision back; False if there is none of that id that holds."""
        query = sa.update(decision).where(decision.c.id == one, decision.c.undone.is_(None))
        return bool(self._connection.execute(query.values(undone=int(time.time() * 1e6))).rowcount)


def _bytes(word: int) -> bytes:
    return int(word).to_bytes(8, "little")


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
