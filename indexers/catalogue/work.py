"""Work that many processes share: rows that are queued, claimed for a while, and deleted once they are done.

A worker holds its rows by a lease. One that dies says nothing; its rows are claimed again when the lease has ended, in
ever smaller parts, so that a row that kills its workers is alone in the end, and then counts as failed. Nothing depends
on a row being done once only. Times are those of the database: the clocks of machines differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue import dialects
from indexers.catalogue.rows import format_time
from indexers.catalogue.work_tables import work, worker
from indexers.types import Failure, Json

MAX_ATTEMPTS = 4
"""How often a row is begun whose worker dies."""
SHRINK = 3
"""Binary digits by which a claim is shorter after each death."""
KEPT = 100
"""Workers that have ended and are still told of."""
FORGOTTEN = 86_400_000_000
"""Microseconds for which a dead worker is told of."""
WAITING, RUNNING, FAILED = "waiting", "running", "failed"


class WorkRow(NamedTuple):
    """A row of work: what kind, with what, and what the kind needs to know of it."""

    id: int
    kind: str
    target: str
    data: Json
    attempts: int
    at: int


class WorkerRow(NamedTuple):
    """A process that does work. is_dead: it has not ended, and its lease has."""

    id: int
    name: str
    kinds: list[str]
    done: int
    failed: int
    rate: float
    is_dead: bool


class WorkState(NamedTuple):
    """All work by kind and state, those who do it, and the newest rows that failed."""

    counts: dict[str, dict[str, int]]
    workers: list[WorkerRow]
    failures: list[Failure]


class WorkRows:
    """The rows of work, within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _scalars(self, statement: sa.Executable) -> list[Any]:
        return list(self._connection.execute(statement).scalars())

    def _update(self, statement: sa.Update, **values: Any) -> None:
        self._connection.execute(statement.values(**values))

    def _read_clock(self) -> int:
        return dialects.find(self._connection).read_clock(self._connection)

    # ---- who queues

    def put(self, kind: str, targets: Mapping[str, Json]) -> None:
        """Queue targets, each with what is to be known of it. One that waits, runs or has failed already is queued
        anew."""
        now = self._read_clock()
        state: Json = {"state": WAITING, "attempts": 0, "worker": None, "until": None, "error": None, "at": now}
        rows = [{"kind": kind, "target": target, "data": targets[target], **state} for target in sorted(targets)]
        for part in split_chunks(rows):
            dialects.find(self._connection).upsert_rows(self._connection, work, part, ("kind", "target"))

    def retry_failed(self, kinds: Sequence[str]) -> int:
        """Let rows wait again that have failed, and return their number."""
        is_meant = sa.and_(work.c.state == FAILED, work.c.kind.in_(kinds))
        statement = sa.update(work).where(is_meant).values(state=WAITING, attempts=0, error=None)
        return int(self._connection.execute(statement).rowcount)

    # ---- who works

    def enter(self, name: str, kinds: Sequence[str], lease: float) -> int:
        """Note a worker, and return its id."""
        now = self._read_clock()
        self._update(sa.update(worker).where(worker.c.ended.is_(None), worker.c.until < now - FORGOTTEN), ended=now)
        old = sa.select(worker.c.id).where(worker.c.ended.is_not(None)).order_by(worker.c.id.desc()).offset(KEPT)
        self._connection.execute(sa.delete(worker).where(worker.c.id.in_(self._scalars(old.limit(1000)))))
        row: Json = {"name": name, "kinds": list(kinds), "begun": now, "until": now + int(lease * 1e6)}
        row |= {"ended": None, "done": 0, "failed": 0, "rate": 0.0}
        return int(self._connection.execute(sa.insert(worker).values(**row).returning(worker.c.id)).scalar_one())

    def leave(self, worker_id: int) -> None:
        """Note that a worker has ended, and let what it still held wait again."""
        self._update(sa.update(worker).where(worker.c.id == worker_id), ended=self._read_clock())
        self.give_back(worker_id)

    def give_back(self, worker_id: int) -> None:
        """Let what a worker holds wait again, as if it had not been begun."""
        held = sa.and_(work.c.state == RUNNING, work.c.worker == worker_id)
        free: Json = {"state": WAITING, "worker": None, "until": None}
        self._update(sa.update(work).where(held), **free, attempts=work.c.attempts - 1)

    def renew(self, worker_id: int, lease: float) -> None:
        """Extend the lease of a worker, and of what it holds."""
        until = self._read_clock() + int(lease * 1e6)
        self._update(sa.update(worker).where(worker.c.id == worker_id), until=until)
        self._update(sa.update(work).where(work.c.state == RUNNING, work.c.worker == worker_id), until=until)

    def claim(self, worker_id: int, kinds: Sequence[str], limit: int, lease: float) -> list[WorkRow]:
        """Claim up to `limit` waiting rows of these kinds, all of one kind, first those that were queued first."""
        now = self._read_clock()
        self.give_back(worker_id)  # what is left of a claim that the database has not let it finish
        self._take_back(now)
        columns = work.c.id, work.c.kind, work.c.target, work.c.data, work.c.attempts, work.c.at
        query = sa.select(*columns).where(work.c.state == WAITING, work.c.kind.in_(kinds))
        query = query.order_by(work.c.attempts, work.c.id).limit(limit).with_for_update(skip_locked=True)
        rows = [WorkRow(*row) for row in self._connection.execute(query)]
        if not rows:
            return []
        attempts = rows[0].attempts
        rows = [row for row in rows if (row.kind, row.attempts) == (rows[0].kind, attempts)]
        rows = rows[: max(limit >> (SHRINK * attempts), 1)]
        until = now + int(lease * 1e6)
        for part in split_chunks([row.id for row in rows]):
            statement = sa.update(work).where(work.c.id.in_(part))
            self._update(statement, state=RUNNING, worker=worker_id, until=until, attempts=attempts + 1)
        self._update(sa.update(worker).where(worker.c.id == worker_id), until=until)
        return rows

    def _take_back(self, now: int) -> None:
        """Let the rows wait again whose lease has ended."""
        ended = sa.select(work.c.id, work.c.attempts).where(work.c.state == RUNNING, work.c.until < now)
        rows = self._connection.execute(ended.order_by(work.c.id).with_for_update(skip_locked=True)).all()
        for state, error, part in (
            (WAITING, None, [row.id for row in rows if row.attempts < MAX_ATTEMPTS]),
            (FAILED, f"{MAX_ATTEMPTS} workers ended while at it", [r.id for r in rows if r.attempts >= MAX_ATTEMPTS]),
        ):
            for chunk in split_chunks(part):
                self._update(
                    sa.update(work).where(work.c.id.in_(chunk)), state=state, error=error, worker=None, until=None
                )

    def finish(self, worker_id: int, rows: Sequence[WorkRow], failures: Mapping[str, str], rate: float = 0.0) -> None:
        """Delete rows that are done, except those that were queued anew meanwhile; note by target why others failed."""
        done = [row for row in rows if row.target not in failures]
        for part in split_chunks(done):
            are_same = sa.tuple_(work.c.id, work.c.at).in_([(row.id, row.at) for row in part])
            self._connection.execute(sa.delete(work).where(are_same))
        failed: Json = {"state": FAILED, "worker": None, "until": None}
        for row in rows:
            if row.target in failures:
                statement = sa.update(work).where(work.c.id == row.id, work.c.at == row.at)
                self._update(statement, **failed, error=failures[row.target])
        counts = {"done": worker.c.done + len(done), "failed": worker.c.failed + len(rows) - len(done)}
        self._update(sa.update(worker).where(worker.c.id == worker_id), **counts, rate=rate)

    # ---- who asks

    def has_open(self, kinds: Sequence[str]) -> bool:
        """Return True if rows of these kinds wait or run."""
        query = sa.select(work.c.id).where(work.c.kind.in_(kinds), work.c.state.in_([WAITING, RUNNING])).limit(1)
        return bool(self._scalars(query))

    def count_open(self, kinds: Sequence[str]) -> int:
        """Return the number of rows of these kinds that wait or run."""
        query = sa.select(sa.func.count()).where(work.c.kind.in_(kinds), work.c.state.in_([WAITING, RUNNING]))
        return int(self._scalars(query)[0])

    def read_state(self, failures: int = 10) -> WorkState:
        """Return the state of all work, with up to so many failures."""
        now = self._read_clock()
        counts: dict[str, dict[str, int]] = {}
        query = sa.select(work.c.kind, work.c.state, sa.func.count()).group_by(work.c.kind, work.c.state)
        for kind, state, count in self._connection.execute(query):
            counts.setdefault(kind, {})[state] = count
        alive = sa.select(worker).where(worker.c.ended.is_(None)).order_by(worker.c.id)
        workers = [
            WorkerRow(row.id, row.name, row.kinds, row.done, row.failed, row.rate, row.until < now)
            for row in self._connection.execute(alive)
        ]
        failed = sa.select(work).where(work.c.state == FAILED).order_by(work.c.at.desc(), work.c.id.desc())
        return WorkState(counts, workers, list(_to_failures(self._connection.execute(failed.limit(failures)))))


def _to_failures(rows: Iterable[Any]) -> Iterable[Failure]:
    for row in rows:
        yield Failure(row.target, row.error or "", row.kind, row.attempts, format_time(row.at))
