"""Migrations: they lie beside the code or in the wheel, and are applied when a user calls for them, never silently."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from indexers.catalogue import schema, sqlite
from indexers.catalogue.addresses import Address, DatabaseAddress
from indexers.catalogue.links import check_folder
from indexers.catalogue.postgresql_database import PostgresqlDatabase
from indexers.catalogue.writer_lock import WriterLock
from indexers.errors import CatalogueError, CollectionNotFound, NearkinError, SchemaTooNew, WriteFailed
from indexers.files import move_over

PACKAGE = Path(__file__).parents[1]
BACKUP = ".before-upgrade"
"""What the name of the copy ends in that is made before an upgrade, beside the database."""


def find_migrations() -> Path:
    """Return the folder with the migrations: in the wheel inside this package, in a checkout beside it."""
    inside = PACKAGE / "_migrations"
    return inside if inside.is_dir() else PACKAGE.parent / "migrations"


def upgrade_catalogue(address: Address, wait: float = 5.0) -> tuple[str, str]:
    """Upgrade a catalogue to this version's schema, and return the revisions before and after.

    First a copy of a file is written beside it and checked; it stays, so that one can go back. A server does without:
    there a failure takes everything back.

    Raises SchemaTooNew, CollectionNotFound, WriterBusy, WriteFailed, CatalogueError.
    """
    return _upgrade_file(address, wait) if isinstance(address, Path) else _upgrade_server(address, wait)


def _upgrade_server(address: DatabaseAddress, wait: float) -> tuple[str, str]:
    database = PostgresqlDatabase(address, wait)
    try:
        with database.connect(writing=True, wait=wait) as connection:
            tables = sa.inspect(connection).get_table_names()
            if "alembic_version" not in tables:
                raise database.explain_lack(tables)
            before = _read_revision(connection)
            _check_revision(database.name, before)
            if before < schema.REVISION:
                _migrate(connection, database.name, "It was taken back: the database is as it was before")
                connection.commit()
            return before, _read_revision(connection)
    finally:
        database.close()


def _check_revision(name: str, revision: str) -> None:
    if revision > schema.REVISION:
        raise SchemaTooNew(f"{name} was made by a newer nearkin (schema {revision}, this one knows {schema.REVISION})")


def _upgrade_file(folder: Path, wait: float) -> tuple[str, str]:
    check_folder(folder)
    path = folder / sqlite.FILE
    if not path.is_file():
        raise CollectionNotFound(f"there is no collection in {folder}")
    engine = sqlite.connect(path, wait)
    try:
        with WriterLock(folder, wait).hold():
            before = _read_file_revision(engine)
            _check_revision(str(path), before)
            if before < schema.REVISION:
                _apply(engine, path)
        return before, _read_file_revision(engine)
    finally:
        engine.dispose()


def _read_file_revision(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            raise sqlite.damage_error(Path(str(engine.url.database)), "it holds no nearkin tables")
        return _read_revision(connection)


def _read_revision(connection: sa.Connection) -> str:
    return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or "0000")


def _apply(engine: sa.Engine, path: Path) -> None:
    copy = _back_up(engine, path)
    told = f"The database is as it was before, and so is its copy {copy}; keep one of them"
    with engine.execution_options(writing=True).begin() as connection:
        _migrate(connection, str(path), told)
    revision = _read_file_revision(engine)
    if revision != schema.REVISION:
        raise CatalogueError(f"the upgrade of {path} ended at schema {revision}; the copy {copy} was not changed")


def _back_up(engine: sa.Engine, path: Path) -> Path:
    """Copy the database beside itself, and check the copy before it takes the place of that of an earlier upgrade."""
    copy = path.with_name(path.name + BACKUP)
    new = copy.with_name(copy.name + ".new")
    try:
        sqlite.copy_database(engine, new)
        fault = _compare(path, new)
        if fault is None:
            move_over(new, copy)
    except (OSError, sqlite3.Error) as error:
        raise WriteFailed(
            f"cannot copy {path} before the upgrade: {error}; free as much disk space as the file takes"
        ) from error
    finally:
        new.unlink(missing_ok=True)
    if fault is not None:
        raise sqlite.damage_error(path, f"a copy before the upgrade shows it ({fault}), and nothing was changed")
    return copy


def _compare(path: Path, copy: Path) -> str | None:
    """Return what is wrong with a copy: that the database says so itself, or lacks rows; None if nothing is."""
    with closing(sqlite3.connect(copy)) as copied, closing(sqlite3.connect(path)) as original:
        found = [str(row[0]) for row in copied.execute("PRAGMA integrity_check(1)")]
        if found != ["ok"]:
            return found[0]
        tables = copied.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
        )
        for (table,) in tables.fetchall():
            count = f'SELECT count(*) FROM "{table}"'
            if copied.execute(count).fetchone() != original.execute(count).fetchone():
                return f"the table {table} was not copied as a whole"
    return None


def _migrate(connection: sa.Connection, name: str, told: str) -> None:
    """Apply all migrations that lack. told: what an error says of what is left."""
    from alembic import command

    config = build_configuration()
    try:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    except NearkinError:
        raise
    except Exception as error:  # a migration computes with whatever the rows hold
        raise CatalogueError(f"the upgrade of {name} failed: {error}. {told}, and report the error") from error


def build_configuration() -> Any:
    """Return Alembic's configuration, without a file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(find_migrations()))
    config.set_main_option("path_separator", "os")
    return config
