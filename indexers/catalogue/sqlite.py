"""The one module that knows that the catalogue is SQLite: connections, transactions, and its errors as ours."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import shutil
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.sqlite import dialect, insert
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.util import LRUCache

from indexers import errors
from indexers.catalogue import connections
from indexers.catalogue.metadata import fold_text, spread_path
from indexers.catalogue.read_only import Access
from indexers.files import suggest_remedy

FILE = "catalogue.sqlite"
STATEMENTS = 1000
"""Statements that stay compiled, for all collections of a process."""
PAGE_SIZE = 16384  # pages of 4 KB double the file for vectors of 2 KB: each would fill one and spill into the next
CACHE = "cache_size=-32000"
WRITING = (
    f"page_size={PAGE_SIZE}",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",  # what is deleted for good is overwritten
    CACHE,
    "journal_size_limit=67108864",
)
"""What SQLite is told about a database that is written, too."""
JSON_KINDS: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    type(None): "null",
}
NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "afs",
    "9p",
    "ncpfs",
    "fuse.sshfs",
    "fuse.rclone",
    "fuse.s3fs",
    "ceph",
}


PROGRAMS = "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view')"
"""What SQLite would run whenever we write to a table or read it. A collection of somebody else's might hold it."""
FOREIGN_PARTS = "no such collation sequence: ", "unknown function: "
"""How SQLite begins to tell that the schema of a database names what this process does not have. No query of ours
does."""

HOUSEKEEPING = 2.0
"""Seconds that SQLite itself may take to recover its log or to fold it in when the last connection closes. It locks
out everybody meanwhile, whoever holds the lock of the collection, which is the one that writers wait for."""


def connect(path: Path, wait: float, access: Access | None = None) -> Engine:
    """Return an engine over the file.

    wait: seconds until a lock of SQLite's own counts as busy; at least `HOUSEKEEPING`. access: how to open it, if not
    to read and write.
    """
    access = access or Access(path)
    if not access.is_read_only:
        refuse_network_folder(path.parent)
    database = access.uri if access.is_read_only else str(path)

    def open_connection() -> sqlite3.Connection:
        return sqlite3.connect(
            database,
            timeout=max(wait, HOUSEKEEPING),
            check_same_thread=False,
            cached_statements=256,
            factory=connections.DriverConnection,
            uri=access.is_read_only,
        )

    dialect, compiled = _share_dialect()
    pool = connections.IdlePool(
        open_connection,  # so that a folder may be called "what?"
        dialect=dialect,
        reset_on_return=None,  # every transaction ends where it began, but for an interrupt: `_check_in`
    )
    url = sa.URL.create("sqlite+pysqlite", database=str(path))
    engine = Engine(pool, dialect, url, execution_options={"compiled_cache": compiled})
    event.listen(engine, "connect", lambda connection, _: _configure(connection, path, access.is_read_only))
    writers = connections.Writers()
    event.listen(engine, "begin", lambda connection: _begin(connection, writers))
    event.listen(engine, "checkin", lambda connection, _: _check_in(connection, writers))
    return engine


@cache
def _share_dialect() -> tuple[Dialect, LRUCache[Any, Any]]:
    """Return the dialect of all engines, and the statements compiled for it: each is compiled once in a process.

    To compile them again for every collection that is opened takes a third of the time of its first calls.
    """
    template = sa.create_engine("sqlite+pysqlite://")
    event.listen(template, "handle_error", _translate)
    template.connect().close()  # the dialect asks SQLite what it can do
    template.dispose()
    return template.dialect, LRUCache(STATEMENTS)


@cache
def compile_tables(metadata: sa.MetaData) -> list[str]:
    """Return the statements in SQL that create tables and their indexes."""
    dialect = _share_dialect()[0]
    statements: list[str] = []
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements += [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    return statements


@cache
def _compile(statement: sa.Select[Any]) -> tuple[str, dict[str, Any]]:
    """Return a statement as text, and the values of those of its parameters that it brings along."""
    compiled = statement.compile(dialect=dialect(paramstyle="named"))
    return str(compiled), compiled.params


def fetch_all(connection: Connection, statement: sa.Select[Any], **values: Any) -> list[Any]:
    """Return the rows of a statement as the driver gives them."""
    text, brought_values = _compile(statement)
    if not connection.in_transaction():
        connection.begin()
    driver: Any = connection.connection.driver_connection
    try:
        return list(driver.execute(text, {**brought_values, **values}).fetchall())
    except sqlite3.Error as error:
        translated = translate_error(error, find_path(connection), is_writing=False)
        if translated is None:
            raise
        raise translated from error


def create_tables(connection: Connection, metadata: sa.MetaData) -> None:
    """Create the tables and their indexes."""
    for statement in compile_tables(metadata):
        connection.exec_driver_sql(statement)


def insert_rows(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows, all with the same columns."""
    connection.execute(sa.insert(table), rows)


def insert_new(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Insert many rows, all with the same columns, and return the ids that they are given, in that order."""
    statement = sa.insert(table).returning(table.c.id, sort_by_parameter_order=True)
    return list(connection.execute(statement, rows).scalars())


def upsert_rows(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], key: Sequence[str]) -> None:
    """Insert many rows, all with the same columns; one with the same `key` as an earlier row takes its place."""
    statement = insert(table)
    values = {name: statement.excluded[name] for name in rows[0] if name not in key}
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=values), rows)


def read_clock(_: Connection) -> int:
    """Return the database's time in microseconds since 1970: that of this machine."""
    return time.time_ns() // 1000


def read_last_ids(connection: Connection) -> dict[str, int]:
    """Return by table the last id that was given, also to a row that is gone."""
    rows = connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence")
    return {str(row[0]): int(row[1]) for row in rows}


def continue_ids(connection: Connection, last: Mapping[str, int]) -> None:
    """Let new ids be above these, by table, and above all there are (as SQLite has it by itself)."""
    known = read_last_ids(connection)
    for table, number in last.items():
        values = (max(number, known.get(table, 0)), table)
        if table in known:
            connection.exec_driver_sql("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", values)
        else:
            connection.exec_driver_sql("INSERT INTO sqlite_sequence (seq, name) VALUES (?, ?)", values)


def reserve_ids(connection: Connection, table: str, count: int) -> list[int]:
    """Take `count` new ids of a table, and return them, sorted: no new row will have them."""
    last = read_last_ids(connection).get(table, 0)
    if count:
        continue_ids(connection, {table: last + count})
    return list(range(last + 1, last + 1 + count))


def explain_damage(connection: Connection, reason: str) -> errors.CatalogueDamaged:
    """Return the error that tells how to rescue a damaged database."""
    return damage_error(find_path(connection), reason)


def find_path(connection: Connection) -> Path:
    """Return the path of the database."""
    return Path(str(connection.engine.url.database))


def _configure(connection: Any, path: Path, is_read_only: bool) -> None:
    try:
        connection.isolation_level = None  # the driver's own idea of when to begin would split our transactions
        connection.create_function("fold", 1, _fold, deterministic=True)  # SQLite's own lower() knows ASCII only
        connection.create_function("json_kind", 1, _find_json_kind, deterministic=True)
        connection.create_function("spread", 2, _spread, deterministic=True)
        for pragma in ("query_only=ON", CACHE) if is_read_only else WRITING:
            connection.execute(f"PRAGMA {pragma}")
        programs = connection.execute(PROGRAMS).fetchone()
    except sqlite3.Error as error:
        translated = translate_error(error, path, is_writing=False)
        if translated is None:
            raise
        connection.close()
        raise translated from error
    if programs:
        connection.close()
        raise damage_error(
            path, f"it holds the {programs[0]} {programs[1]!r:.60}, a program that no nearkin has written"
        )


def _fold(text: Any) -> Any:
    return fold_text(text) if isinstance(text, str) else text


def _spread(metadata: str, steps: str) -> str:
    return json.dumps(spread_path(json.loads(metadata), json.loads(steps)))


def _begin(connection: Connection, writers: connections.Writers) -> None:
    """Begin a transaction; a writing one by a thread that holds the writer's lock."""
    driver: Any = connection.connection.driver_connection
    if not connection.get_execution_options().get("writing", False):
        with driver.switch():
            driver.execute("BEGIN")  # takes no lock yet, so there is no error to translate
        return
    writers.enter(driver)
    with driver.switch():
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _check_in(connection: Any, writers: connections.Writers) -> None:
    if connection is not None:
        connection.end()
        writers.leave(connection)


def _translate(context: Any) -> errors.NearkinError | None:
    options = context.connection.get_execution_options() if context.connection is not None else {}
    path = Path(str(context.engine.url.database))
    return translate_error(context.original_exception, path, is_writing=bool(options.get("writing", False)))


def translate_error(error: BaseException, path: Path, is_writing: bool = True) -> errors.NearkinError | None:
    """Return an error of ours for one of SQLite's that a user can do something about; None for any other."""
    if isinstance(error, UnicodeEncodeError):  # the database itself is the one place that every text passes
        return errors.UsageError(f"{error.object[:100]!r} holds half a surrogate pair, which UTF-8 can't carry")
    name = getattr(error, "sqlite_errorname", "") if isinstance(error, sqlite3.Error) else ""
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return damage_error(path, str(error))
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_NOMEM")):
        remedy = _find_remedy(name, path, is_writing)
        if not is_writing:
            return errors.ReadFailed(f"cannot read {path} ({error}): {remedy}")
        return errors.WriteFailed(
            f"cannot write {path} ({error}). Nothing of this batch was stored; everything before it was: {remedy}"
        )
    if str(error).startswith(FOREIGN_PARTS):
        return damage_error(path, f"its tables ask for what no nearkin has: {error}")
    if name.startswith("SQLITE_BUSY"):
        return errors.WriterBusy(f"{path} is locked by another program ({error}); try again when it is done")
    return None


def _find_remedy(name: str, path: Path, is_writing: bool) -> str:
    """Return what to do about an error of which SQLite tells little more than its name."""
    try:
        with open(os.devnull, "rb"), path.open("rb"):
            pass
    except OSError as error:  # what is in the way of SQLite is in the way of everybody
        return suggest_remedy(error)
    if name.startswith("SQLITE_NOMEM"):
        return "there is no memory left; close other programs, or ask for less at once"
    if name.startswith("SQLITE_FULL") or (is_writing and shutil.disk_usage(path.parent).free < 2**20):
        return suggest_remedy(OSError(errno.ENOSPC, ""))
    if name.startswith("SQLITE_IOERR"):
        return suggest_remedy(OSError(errno.EIO, ""))
    return suggest_remedy(OSError(errno.EACCES, ""))


def _find_json_kind(text: Any) -> str | None:
    """Return what a text in JSON is, as Python reads it; None if it is none."""
    try:
        value = json.loads(text) if isinstance(text, str) else text  # SQLite may keep a number as one
    except (ValueError, RecursionError):
        return None
    return JSON_KINDS.get(type(value))


def damage_error(path: Path, reason: str) -> errors.CatalogueDamaged:
    """Return the error that tells how to rescue a damaged database."""
    return errors.CatalogueDamaged(
        f"the catalogue {path} is damaged: {reason}. Restore a backup if you have one. Otherwise rescue what can be "
        f"read, and add again what was lost: nearkin rescue -c {shlex.quote(str(path.parent))}"
    )


def find_faults(connection: Connection) -> list[str]:
    """Return what SQLite itself finds wrong with the file; nothing if it is sound."""
    faults: list[str] = []
    try:
        rows = connection.exec_driver_sql("PRAGMA integrity_check(20)")
        faults += [str(row[0]) for row in rows if row[0] != "ok"]
        faults += find_strays(connection)
    except errors.CatalogueDamaged as error:  # so damaged that the check itself fails
        faults.append(str(error))
    return faults


def find_strays(connection: Connection) -> list[str]:
    """Return which rows refer to rows that are missing: the first 20."""
    strays = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(20)
    return [f"row {row[1]} of {row[0]} refers to a missing {row[2]}" for row in strays]


def copy_database(engine: Engine, target: Path) -> None:
    """Copy the whole database, with what still lies in its log. Raises what SQLite or the disk raises."""
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(target)) as copy, closing(engine.raw_connection()) as source:
        source.driver_connection.backup(copy)  # type: ignore[union-attr]


def refuse_network_folder(folder: Path) -> None:
    """Raise UnsafeFileSystem for a folder on a network file system.

    SQLite's write-ahead log needs memory shared between processes, which network file systems don't give.
    """
    kind = find_file_system(folder)
    if kind in NETWORK:
        raise errors.UnsafeFileSystem(
            f"{folder} lies on a network file system ({kind}), which would damage a catalogue sooner or later; "
            "keep the collection on a local disk (the pictures may stay where they are)"
        )


def find_file_system(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return the kind of file system that holds the folder; "" where the operating system doesn't tell."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    path = str(folder.resolve())
    longest, kind = "", ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[1])  # blanks and the like
        if (path == point or path.startswith(point.rstrip("/") + "/")) and len(point) >= len(longest):
            longest, kind = point, fields[2]
    return kind
