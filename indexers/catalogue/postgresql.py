"""All that is specific to PostgreSQL's SQL: connections, its errors as ours, and how expressions are written.

Readers see one moment of the database (REPEATABLE READ). A writer sees all that was committed before (READ COMMITTED),
and holds a lock of the database's for the length of its transaction: alone, or shared by those that only put items in.
These meet at rows with the same key, for which one of them waits, and at the row of the counter, which gives their
changes numbers right before the commit.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.compiler import compiles

from indexers import errors
from indexers.catalogue.addresses import DatabaseAddress
from indexers.catalogue.expressions import Cell, Listed, Spread
from indexers.catalogue.postgresql_functions import list_functions

if TYPE_CHECKING:
    import psycopg

OLDEST = 130000
"""The oldest version that will do: it is the first that knows composed letters (`normalize`)."""
LOCK = 1_852_141_934
"""The first half of the key of the writers' lock; the second tells the schemas of a database apart."""
CONNECT_SECONDS = 10
IDLE_SECONDS = 1.0
"""A connection that nobody has used for longer is asked whether it still is one."""
LOST = "08", "57P"
"""What the codes of errors begin with that mean that the server, or the way to it, is gone."""
ADDRESS = "nearkin_address"
"""The option of an engine that holds what its messages call the database."""


def connect(address: DatabaseAddress) -> tuple[Engine, Engine]:
    """Return two engines over the database: one that reads, and one that writes. Raises MissingPackage."""
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise errors.MissingPackage(
            "a catalogue in PostgreSQL needs the package psycopg: pip install 'nearkin[postgresql]'"
        ) from error
    return _make_engine(address, is_read_only=True), _make_engine(address, is_read_only=False)


def _make_engine(address: DatabaseAddress, is_read_only: bool) -> Engine:
    import psycopg

    engine = sa.create_engine(
        address.url.set(drivername="postgresql+psycopg"),
        connect_args={
            "application_name": f"nearkin {os.getpid()} on {socket.gethostname()}"[:63],
            "connect_timeout": CONNECT_SECONDS,
            "client_encoding": "utf8",
        },
        pool_size=8,
        max_overflow=-1,
        execution_options={ADDRESS: str(address), "writing": not is_read_only},
    )

    def configure(connection: psycopg.Connection, _: Any) -> None:
        if is_read_only:
            connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True

    event.listen(engine, "connect", configure)
    event.listen(engine, "checkin", _note_time)
    event.listen(engine, "checkout", _check_alive)
    event.listen(engine, "handle_error", _translate)
    return engine


def _note_time(_: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _check_alive(connection: Any, record: Any, _: Any) -> None:
    """Let the pool open another connection in the place of one that the server has closed meanwhile."""
    if connection.closed or time.monotonic() - record.info.get("used", float("inf")) > IDLE_SECONDS:
        import psycopg

        try:
            connection.execute("SELECT 1")
            connection.rollback()
        except psycopg.Error as error:
            raise sa.exc.DisconnectionError from error


def lock_writers(connection: Connection, wait: float, beside: bool = False) -> None:
    """Keep other writers out until the transaction ends; with `beside`, only those that would be alone. Raises
    WriterBusy, naming the holder, after `wait` seconds."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(int(wait * 1000), 1)}")
    lock = "pg_advisory_xact_lock_shared" if beside else "pg_advisory_xact_lock"
    try:
        connection.exec_driver_sql(f"SELECT {lock}({LOCK}, hashtext(current_schema()))")
    except errors.WriterBusy:
        connection.rollback()
        holder = connection.exec_driver_sql(
            "SELECT application_name, state_change FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE granted AND "
            f"classid = {LOCK} AND CAST(objid AS bigint) = CAST(hashtext(current_schema()) AS bigint) & 4294967295"
        ).first()
        told = f"{holder[0] or 'a process'}, since {holder[1]:%H:%M:%S}" if holder else "an unknown process"
        raise errors.WriterBusy(f"another writer is at work: {told}; try again when it is done") from None


# ---- what `dialects.Dialect` asks for


def create_tables(connection: Connection, metadata: sa.MetaData) -> None:
    """Create the tables, their indexes and our functions."""
    for statement in list_functions(connection):
        connection.exec_driver_sql(statement)
    metadata.create_all(connection, checkfirst=False)


@cache
def _compile(statement: sa.Select[Any]) -> tuple[str, dict[str, Any]]:
    from sqlalchemy.dialects.postgresql.psycopg import dialect

    compiled = statement.compile(dialect=dialect())  # type: ignore[no-untyped-call]
    return str(compiled), dict(compiled.params)


def fetch_all(connection: Connection, statement: sa.Select[Any], **values: Any) -> list[Any]:
    """Return the rows of a statement as the driver gives them."""
    import psycopg

    text, brought_values = _compile(statement)
    if not connection.in_transaction():
        connection.begin()
    driver: Any = connection.connection.driver_connection
    try:
        return list(driver.execute(text, {**brought_values, **values}).fetchall())
    except psycopg.Error as error:
        options = connection.get_execution_options()
        translated = translate_error(error, options[ADDRESS], options["writing"])
        if translated is None:
            raise
        raise translated from error


def insert_rows(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows, all with the same columns, by COPY: five times as fast as INSERT."""
    import psycopg

    columns = [table.columns[name] for name in rows[0]]
    dialect: Any = connection.dialect
    processors = [column.type.dialect_impl(dialect).bind_processor(dialect) for column in columns]
    names = ", ".join(dialect.identifier_preparer.format_column(column) for column in columns)
    if not connection.in_transaction():
        connection.begin()
    driver: Any = connection.connection.driver_connection
    try:
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY {dialect.identifier_preparer.format_table(table)} ({names}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(
                    [
                        value if process is None or value is None else process(value)
                        for process, value in zip(processors, row.values(), strict=True)
                    ]
                )
    except (psycopg.Error, UnicodeEncodeError) as error:
        translated = translate_error(error, connection.get_execution_options()[ADDRESS], is_writing=True)
        if translated is None:
            raise
        raise translated from error


def insert_new(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Insert many rows, all with the same columns, and return the ids that they are given, in that order."""
    query = f"SELECT nextval('{table.name}_id_seq') FROM generate_series(1, {len(rows)})"
    ids = [int(row[0]) for row in connection.exec_driver_sql(query)]
    insert_rows(connection, table, [{"id": new_id, **row} for new_id, row in zip(ids, rows, strict=True)])
    return ids


def upsert_rows(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], key: Sequence[str]) -> None:
    """Insert many rows, all with the same columns; one with the same `key` as an earlier row takes its place."""
    statement = postgresql.insert(table)
    values = {name: statement.excluded[name] for name in rows[0] if name not in key}
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=values), rows)


def read_clock(connection: Connection) -> int:
    """Return the database's time in microseconds since 1970."""
    query = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
    return int(connection.exec_driver_sql(query).scalar_one())


def read_last_ids(connection: Connection) -> dict[str, int]:
    """Return by table the last id that was given, also to a row that is gone."""
    query = "SELECT sequencename, coalesce(last_value, 0) FROM pg_sequences WHERE schemaname = current_schema()"
    return {str(row[0]).removesuffix("_id_seq"): int(row[1]) for row in connection.exec_driver_sql(query)}


def continue_ids(connection: Connection, last: Mapping[str, int]) -> None:
    """Let new ids be above these, by table, and above all there are."""
    for table in read_last_ids(connection):
        least = max(last.get(table, 0), 0)
        connection.exec_driver_sql(
            f"SELECT setval('{table}_id_seq', greatest((SELECT max(id) FROM {table}), {least}, 1), "
            f"(SELECT count(*) FROM {table}) > 0 OR {least} > 0)"
        )


def reserve_ids(connection: Connection, table: str, count: int) -> list[int]:
    """Take `count` new ids of a table, and return them, sorted: no new row will have them."""
    # one by one, since other writers may take ids between two of them
    query = f"SELECT nextval('{table}_id_seq') FROM generate_series(1, {count})"
    return sorted(int(row[0]) for row in connection.exec_driver_sql(query))


def explain_damage(connection: Connection, reason: str) -> errors.CatalogueDamaged:
    """Return the error that tells what to do about a database that holds what no nearkin has written."""
    name = connection.get_execution_options()[ADDRESS]
    return errors.CatalogueDamaged(
        f"the catalogue {name} is damaged: {reason}. Somebody else has written to its tables: restore a dump of the "
        "database (pg_restore)"
    )


@compiles(Listed, "postgresql")
def _compile_listed(element: Listed, compiler: Any, **options: Any) -> str:
    return f"listed({compiler.process(element.clauses, **options)})"


@compiles(Spread, "postgresql")
def _compile_spread(element: Spread, compiler: Any, **options: Any) -> str:
    return f"spread({compiler.process(element.clauses, **options)})"


@compiles(Cell, "postgresql")
def _compile_cell(element: Cell, compiler: Any, **options: Any) -> str:
    row, place = element.clauses
    kind = compiler.dialect.type_compiler_instance.process(element.type)
    return f"CAST({compiler.process(row, **options)} ->> {place} AS {kind})"


# ---- errors


def _translate(context: Any) -> errors.NearkinError | None:
    options = context.engine.get_execution_options()
    return translate_error(context.original_exception, options[ADDRESS], options["writing"])


def translate_error(error: BaseException, name: str, is_writing: bool) -> errors.NearkinError | None:
    """Return an error of ours for one of the database's that a user can do something about; None for any other."""
    import psycopg

    if isinstance(error, UnicodeEncodeError):
        return errors.UsageError(f"{error.object[:100]!r} holds half a surrogate pair, which UTF-8 can't carry")
    if not isinstance(error, psycopg.Error):
        return None
    code = error.sqlstate or ""
    reason = str(error).strip().split("\n")[0]
    if code in ("23505", "40P01", "40001"):
        return errors.WriteConflict(
            f"another writer has meanwhile written to {name} what this one was about to ({reason}); nothing of this "
            "batch was stored: call again"
        )
    if code == "55P03":
        return errors.WriterBusy(f"{name} is locked by another writer ({reason}); try again when it is done")
    if code == "42710":
        return errors.CatalogueError(
            f"{name} has a type of the name of a table that a catalogue needs ({reason}), as where the extension "
            "vector lies in its schema; move that (ALTER EXTENSION vector SET SCHEMA other), or put the catalogue into "
            "another schema: ?options=-csearch_path%3Dother"
        )
    if code == "25006":
        return refuse_writing(name, reason)
    if code == "42501":
        return (
            refuse_writing(name, reason)
            if is_writing
            else errors.ReadFailed(f"cannot read {name}: {reason}; ask its owner for the right to (GRANT)")
        )
    if code.startswith("53"):  # the disk is full, too many connections
        kind = errors.WriteFailed if is_writing else errors.ReadFailed
        return kind(f"cannot {'write' if is_writing else 'read'} {name}: {reason}; nothing of this call was stored")
    is_lost = code.startswith(LOST) or (isinstance(error, psycopg.OperationalError) and not code)
    if is_lost and is_writing:
        return errors.WriteFailed(
            f"the connection to {name} was lost ({reason}). Nothing of this batch was stored, unless the connection "
            "broke in the moment of its commit; everything before it was: call again once the server is back"
        )
    if is_lost or code.startswith(("28", "3D")):  # no such user, password or database
        return errors.ReadFailed(f"cannot reach {name}: {reason}; check the address, and that the server runs")
    return None


def refuse_writing(name: str, reason: str) -> errors.CollectionReadOnly:
    """Return the error of a call that writes to a database that may only be read."""
    return errors.CollectionReadOnly(f"the collection in {name} may only be read ({reason}); nothing was changed")
