"""Connections and their pool after interrupts: no lock is left, and the next call answers."""

from __future__ import annotations

import itertools
import signal
import sqlite3
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from indexers.catalogue import connections, file_lock
from indexers.catalogue.catalogue import Catalogue
from indexers.types import Arrival
from tests.support.interrupts import interrupt_at, interrupt_often


def open_connection(path: Path) -> connections.DriverConnection:
    return sqlite3.connect(path, isolation_level=None, timeout=0, factory=connections.DriverConnection)


def test_a_connection_that_is_closed_within_a_statement_holds_no_lock(tmp_path: Path) -> None:
    first, second = open_connection(tmp_path / "a"), open_connection(tmp_path / "a")
    first.execute("PRAGMA journal_mode=WAL")
    first.execute("CREATE TABLE t (a)")
    first.execute("BEGIN IMMEDIATE")
    rows = first.cursor().execute("INSERT INTO t VALUES (1), (2) RETURNING a")  # as a traceback holds it
    next(rows)
    first.close()
    second.execute("BEGIN IMMEDIATE")
    assert second.execute("SELECT count(*) FROM t").fetchone() == (0,)
    second.close()


def test_what_is_ended_reads_the_newest_moment_again(tmp_path: Path) -> None:
    first, second = open_connection(tmp_path / "a"), open_connection(tmp_path / "a")
    first.execute("PRAGMA journal_mode=WAL")
    first.execute("CREATE TABLE t (a)")
    first.execute("INSERT INTO t VALUES (1), (2)")
    rows = first.cursor().execute("SELECT a FROM t")
    next(rows)
    second.execute("INSERT INTO t VALUES (3)")
    first.end()
    first.execute("BEGIN IMMEDIATE")  # on the earlier moment, it would be refused
    first.end()
    first.end()
    first.close()
    first.end()
    second.close()


def test_who_writes_next_ends_what_was_left_open(tmp_path: Path) -> None:
    first, second = open_connection(tmp_path / "a"), open_connection(tmp_path / "a")
    writers = connections.Writers()
    writers.enter(first)
    first.execute("BEGIN IMMEDIATE")
    writers.enter(second)
    second.execute("BEGIN IMMEDIATE")
    second.end()
    writers.leave(second)
    first.close()
    second.close()


def test_the_pool_counts_what_is_within_a_transaction(catalogue: Catalogue) -> None:
    pool = catalogue.engine.pool
    assert isinstance(pool, connections.IdlePool)
    assert pool.count_in_use() == 0
    with catalogue.snapshot(), catalogue.snapshot():
        assert pool.count_in_use() == 2
    assert pool.status() == "2 idle connections, 0 in use"
    assert isinstance(pool.recreate(), connections.IdlePool)
    pool.dispose()
    assert pool.status() == "0 idle connections, 0 in use"


def test_no_more_connections_stay_open_than_are_worth_it(catalogue: Catalogue) -> None:
    held = [catalogue.engine.connect() for _ in range(connections.IDLE + 3)]
    for connection in held:
        connection.close()
    assert catalogue.engine.pool.status().startswith(f"{connections.IDLE} idle")


def test_an_interrupt_is_not_hidden_by_what_it_causes() -> None:
    interrupted = AssertionError()
    interrupted.__context__ = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt), connections.restore_interrupts():
        raise interrupted
    with pytest.raises(sa.exc.ResourceClosedError), connections.restore_interrupts():
        raise sa.exc.ResourceClosedError


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs the timers of POSIX")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_moment_leaves_no_lock(catalogue: Catalogue) -> None:
    other, count = Catalogue.open(catalogue.folder, 0.5), 0

    def write_and_read(target: Catalogue = catalogue) -> None:
        nonlocal count
        count += 1
        with target.transaction() as writing:
            writing.put([Arrival(f"k{count}", metadata={"a": count})])
        with target.snapshot() as snapshot:
            snapshot.ids()

    try:
        for seed in range(8):
            interrupt_often(write_and_read, 8, 0.01, seed)
            started = time.monotonic()
            write_and_read(other)
            write_and_read()
            assert time.monotonic() - started < 1
        assert catalogue.find_faults() == []
    finally:
        other.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_a_first_instruction_leaves_no_lock_though_its_traceback_is_held(catalogue: Catalogue) -> None:
    held: list[KeyboardInterrupt | None]
    other, package, held = Catalogue.open(catalogue.folder, 0.2), str(Path(connections.__file__).parents[1]), []

    def write() -> None:
        with catalogue.transaction() as writing:
            writing.set_setting("a", len(held))

    def read() -> None:
        with catalogue.snapshot():
            pass

    try:
        for step in (write, read):
            for number in itertools.count(1):
                held.append(interrupt_at(lambda code: code.co_filename.startswith(package), number, step))
                if held[-1] is None:
                    break
                read()  # whatever this thread does next
                with (catalogue.folder / "writer.lock").open("ab") as file:  # as another process
                    assert file_lock.try_lock(file), number
                with other.transaction() as writing:
                    writing.set_setting("b", number)
        assert catalogue.engine.pool.count_in_use() == 0  # type: ignore[attr-defined]
        assert len(held) > 60
    finally:
        held.clear()
        other.close()
