"""Approximate search by pgvector: HNSW (Malkov and Yashunin, 2016) in a table of PostgreSQL, one for all machines.

Vectors are stored in 16 bits a number where directions count, else in 32. The position is written in the transaction of
the vectors, by whoever holds the lock of the table; the server frees it when a machine dies.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexers.errors import BadSetting, MissingPackage, ReadFailed, StoredFileDamaged
from indexers.types import Ids, Metric, Neighbours, Vectors
from indexers.vectors.base import Remote, break_ties, check_k, make_empty_answer, pair_with_ids

OPERATORS = {"cosine": ("<=>", "cosine"), "ip": ("<#>", "ip"), "l2": ("<->", "l2")}
MOST_HALF, MOST_FULL, MOST_EF = 4000, 2000, 1000
"""The most coordinates that pgvector's HNSW takes, in 16 and in 32 bits a number, and the most candidates."""
MORE = 16
"""Further candidates that are fetched, to tell which of equal scores have the smaller ids."""
LOCK, SCHEMA = 1_852_141_935, "nearkin_index"
TABLE = re.compile(r"[a-z][a-z0-9_]{0,50}")
ADVICE = "check the setting index_url, and that the server runs and has pgvector"


class Pgvector(Remote):
    """A table of vectors with pgvector's HNSW. It is made, or found, when it is first used.

    url, table: where it is; `attach` tells, if not the settings.
    """

    name: ClassVar[str] = "pgvector"
    metrics: ClassVar[frozenset[Metric]] = frozenset(OPERATORS)
    exact_scores: ClassVar[bool] = False

    def __init__(
        self,
        dimension: int,
        metric: Metric = "cosine",
        *,
        url: str = "",
        table: str = "",
        M: int = 16,  # noqa: N803
        ef_construction: int = 200,
        ef: int = 128,
        **_: Any,
    ) -> None:
        super().__init__(dimension, metric)
        self.ef, self._build = ef, f"m = {int(M)}, ef_construction = {max(int(ef_construction), 2 * int(M))}"
        self._kind = "halfvec" if self.metric == "cosine" or dimension > MOST_FULL else "vector"
        if dimension > MOST_HALF:
            raise BadSetting(f"pgvector's HNSW takes up to {MOST_HALF} coordinates; the vectors have {dimension}")
        self._lock, self._is_leading = threading.RLock(), False
        self._opened: Any = None
        self.attach(url, table)

    def attach(self, url: str, table: str) -> None:
        self._url, self._table = url, table or "nearkin_index"
        if not TABLE.fullmatch(self._table):
            raise BadSetting(f"{table!r} is no name of a table")

    @property
    def _connection(self) -> Any:
        """The connection, opened and the table made if need be. Raises MissingPackage, ReadFailed, BadSetting."""
        if self._opened is None:
            if not self._url:
                raise BadSetting(
                    "the index pgvector needs a server: set index_url to an address such as "
                    "postgresql://user@host/database, or keep the catalogue there"
                )
            try:
                import psycopg
            except ImportError as error:
                raise MissingPackage(
                    "the index pgvector needs the package psycopg: pip install 'nearkin[postgresql]'"
                ) from error
            with self._translate():
                opened = psycopg.connect(self._url, connect_timeout=10, client_encoding="utf8")
                try:
                    self._create(opened)
                except BaseException:
                    opened.close()
                    raise
                self._opened = opened
        return self._opened

    @contextmanager
    def _translate(self) -> Iterator[None]:
        """Raise errors of the server as ours; the connection is opened again by the next call."""
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            self.close()
            reason = str(error).strip().split("\n")[0]
            raise ReadFailed(f"the index pgvector can't be used ({reason}); {ADVICE}") from error

    def _create(self, connection: Any) -> None:
        connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (LOCK, self._table))
        self._choose_schema(connection)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS nearkin_indexes (name TEXT PRIMARY KEY, dimension INTEGER NOT NULL, "
            "metric TEXT NOT NULL, position BIGINT NOT NULL, stamp BIGINT NOT NULL)"
        )
        kept = connection.execute(
            "SELECT dimension, metric FROM nearkin_indexes WHERE name = %s", (self._table,)
        ).fetchone()
        if kept not in (None, (self.dimension, self.metric)):
            raise BadSetting(
                f"the table {self._table} holds vectors of {kept[0]} coordinates for {kept[1]}, not of "
                f"{self.dimension} for {self.metric}; drop it, or name another database in index_url"
            )
        if kept is None:
            connection.execute(
                "INSERT INTO nearkin_indexes VALUES (%s, %s, %s, 0, 0)", (self._table, self.dimension, self.metric)
            )
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {self._table} (item BIGINT PRIMARY KEY, "
            f"data {self._kind}({self.dimension}) NOT NULL)"
        )
        connection.execute(
            f"CREATE INDEX IF NOT EXISTS {self._table}_hnsw ON {self._table} USING hnsw "
            f"(data {self._kind}_{OPERATORS[self.metric][1]}_ops) WITH ({self._build})"
        )
        connection.commit()

    def _choose_schema(self, connection: Any) -> None:
        """Keep the table, and the types of pgvector if nobody has made them, in a schema of their own: the catalogue
        has a table `vector`, whose name is also that of a type."""
        if connection.execute("SELECT to_regnamespace(%s)", (SCHEMA,)).fetchone() == (None,):
            connection.execute(f"CREATE SCHEMA {SCHEMA}")
        query = (
            "SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace "
            "WHERE extname = 'vector'"
        )
        if connection.execute(query).fetchone() is None:
            connection.execute(f"CREATE EXTENSION vector SCHEMA {SCHEMA}")
        (schema,) = connection.execute(query).fetchone()
        connection.execute("SELECT set_config('search_path', %s || ', ' || quote_ident(%s), FALSE)", (SCHEMA, schema))

    def close(self) -> None:
        """Close the connection; the next call opens another one."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    # ---- one for all machines

    @contextmanager
    def _use(self) -> Iterator[Any]:
        """Yield the connection, for a transaction of its own unless this is a part of `lead`."""
        with self._lock, self._translate():
            connection, is_own = self._connection, not self._is_leading
            try:
                yield connection
                if is_own:
                    connection.commit()
            except BaseException:
                if is_own and not connection.closed:
                    connection.rollback()
                raise

    @contextmanager
    def lead(self) -> Iterator[tuple[int, int]]:
        """Be the only machine that writes, within a block; yield the position that is stored, and its stamp. What was
        written is stored when the block ends, and undone if it raises."""
        with self._use() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (LOCK, self._table))
            self._is_leading = True
            try:
                yield self._read_position()
            finally:
                self._is_leading = False

    def _read_position(self) -> tuple[int, int]:
        query = "SELECT position, stamp FROM nearkin_indexes WHERE name = %s"
        row = self._connection.execute(query, (self._table,)).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def store_position(self, position: int, stamp: int) -> None:
        """Store the position that the vectors have reached, in the transaction of `lead`; stamp: when that change was
        made, which tells two histories apart."""
        self._connection.execute(
            "UPDATE nearkin_indexes SET position = %s, stamp = %s WHERE name = %s", (position, stamp, self._table)
        )

    def clear(self) -> None:
        """Remove all vectors."""
        with self._use() as connection:
            connection.execute(f"TRUNCATE {self._table}")
            self.store_position(0, 0)

    # ---- the contract of an index

    def __len__(self) -> int:
        with self._use() as connection:
            return int(connection.execute(f"SELECT count(*) FROM {self._table}").fetchone()[0])

    def ids(self) -> Ids:
        with self._use() as connection:
            rows = connection.execute(f"SELECT item FROM {self._table} ORDER BY item").fetchall()
        return np.array([row[0] for row in rows], np.int64)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        ids, prepared = pair_with_ids(ids, self.prepare(vectors))
        if not len(ids):
            return
        with self._use() as connection:
            self.remove(ids)
            copying = f"COPY {self._table} (item, data) FROM STDIN"
            with connection.cursor() as cursor, cursor.copy(copying) as copy:
                for item_id, vector in zip(ids.tolist(), prepared, strict=True):
                    copy.write_row((item_id, _write(vector)))

    def remove(self, ids: Ids) -> None:
        with self._use() as connection:
            listed = np.asarray(ids, np.int64).tolist()
            connection.execute(f"DELETE FROM {self._table} WHERE item = ANY(%s)", (listed,))

    def search(self, queries: Vectors, k: int, allowed: Any = None) -> Neighbours:
        k, prepared = check_k(k), self.prepare(queries)
        ids, scores = make_empty_answer(len(prepared), k)
        listed = None if allowed is None else np.asarray(getattr(allowed, "ids", allowed), np.int64).tolist()
        with self._use() as connection:
            for row, query in enumerate(prepared):
                items, values = self._search_one(connection, _write(query), k, listed)
                ids[row, : len(items)], scores[row, : len(items)] = items, values
        return Neighbours(*break_ties(ids, scores), self.position)

    def _search_one(self, connection: Any, query: str, k: int, listed: list[int] | None) -> tuple[Ids, Vectors]:
        """Return the ids and scores of the k nearest of one query; of equal scores those with the smallest ids."""
        operator, limit = OPERATORS[self.metric][0], k + MORE
        where = "" if listed is None else "WHERE item = ANY(%(listed)s) "
        # an inner query in the order of the graph; strict, so that filters and large k go on where its candidates end
        statement = (
            f"SELECT item, data {operator} %(query)s::{self._kind} AS distance FROM {self._table} {where}"
            "ORDER BY distance LIMIT %(limit)s"
        )
        while True:
            values = {"query": query, "limit": limit, "listed": listed}
            connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
            connection.execute(f"SET LOCAL hnsw.ef_search = {min(max(self.ef, limit), MOST_EF)}")
            rows = connection.execute(statement, values).fetchall()
            if len(rows) < limit or rows[-1][1] > rows[k - 1][1]:
                break
            limit *= 4
        items, distances = np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], np.float32)
        found = 1 - distances if self.metric == "cosine" else -distances
        order = np.lexsort((items, -found))[:k]
        return items[order], found[order]

    def save(self, path: Path) -> None:
        """Note which table holds the vectors, which are stored already."""
        path.write_text(json.dumps({"table": self._table}), encoding="ascii")

    def load(self, path: Path) -> None:
        """Use the table that a file names."""
        try:
            table = str(json.loads(path.read_text(encoding="ascii"))["table"])
        except (ValueError, KeyError, TypeError) as error:
            raise StoredFileDamaged(f"{path} names no table of pgvector: {error}") from error
        self.close()
        self.attach(self._url, table)


def _write(vector: Vectors) -> str:
    """Return a vector as pgvector reads it."""
    return "[" + ",".join(map(repr, vector.tolist())) + "]"
