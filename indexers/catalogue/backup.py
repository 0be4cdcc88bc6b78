"""A copy of a collection, made while others go on writing, and checked before it gets its name.

What can't be made again is copied: the database, by SQLite's own backup of one moment of it, then the settings and the
pictures that were sent to the server. Everything derived is made again by whoever opens the copy. All of it lies in a
folder with another name until the database is checked and on the disk; one rename publishes it.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from indexers.catalogue import schema, sqlite
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.read_only import Access
from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.sqlite_database import SqliteDatabase
from indexers.errors import CatalogueDamaged, CatalogueError, UsageError, WriteFailed
from indexers.files import make_folder, suggest_remedy, sync

BESIDE = ("nearkin.toml", "pictures")
"""What lies beside the database and can't be made again: settings, and pictures that were sent to the server."""
PAGES = 1024
"""Pages of the database that are copied at a time, 16 MB."""
UNTOUCHED = "immutable=1&mode=ro"
PART, EARLIER = "backup-part", "earlier"


class Facts(NamedTuple):
    """What a moment of a database holds: its change number, and numbers of rows by table or space."""

    change: int
    counts: dict[str, int]
    vectors: dict[int, int]
    identity: str

    @classmethod
    def of(cls, snapshot: Snapshot) -> Facts:
        """Return the facts of a snapshot."""
        identity = str(snapshot.setting("identity") or "")
        return cls(snapshot.number, snapshot.table_counts(), snapshot.vector_counts(), identity)


def back_up_catalogue(
    catalogue: Catalogue, target: Path, *, overwrite: bool = False, progress: Callable[[int, int], object] | None = None
) -> Facts:
    """Copy a collection to the folder `target`, and return what the copy holds.

    overwrite: an earlier backup of this collection at `target` is replaced, once the new one is complete.
    progress: called with the number of pages that are copied, and of all.

    Raises UsageError (what is at `target` is no earlier backup, or may not be replaced), WriteFailed, CatalogueDamaged.
    """
    if not isinstance(catalogue.database, SqliteDatabase):
        raise UsageError(f"{catalogue.address} is backed up by the tools of its server: pg_dump, and pg_restore")
    target = target.expanduser().absolute()
    _check_target(catalogue, target, overwrite)
    part = target.with_name(f".{target.name[:60]}.{os.getpid()}-{secrets.token_hex(4)}.{PART}")
    try:
        make_folder(target.parent)
        _remove_left_over(target)
        _check_room(catalogue, target.parent)
        part.mkdir()
        with catalogue.snapshot() as snapshot:
            facts = Facts.of(snapshot)
            _copy_database(
                snapshot, catalogue.folder / sqlite.FILE, part / f"{sqlite.FILE}.part", progress or (lambda *_: None)
            )
        _check_copy(part / f"{sqlite.FILE}.part", facts)
        copy_beside(catalogue.folder, part)
        sync(part / f"{sqlite.FILE}.part")
        os.replace(part / f"{sqlite.FILE}.part", part / sqlite.FILE)
        sync(part)
        _publish(part, target, overwrite)
    except OSError as error:
        raise WriteFailed(f"cannot write the backup {target}: {suggest_remedy(error)}. It was not made") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return facts


def _check_target(catalogue: Catalogue, target: Path, overwrite: bool) -> None:
    """Raise UsageError if a backup can't be put there."""
    resolved, folder = target.resolve(), catalogue.folder.resolve()
    if resolved == folder or folder in resolved.parents or resolved in folder.parents:
        raise UsageError(f"the backup {target} would lie in the collection {folder}, or hold it; give another folder")
    if not os.path.lexists(target) or (target.is_dir() and not any(target.iterdir())):
        return
    if not (target / sqlite.FILE).is_file():
        raise UsageError(f"{target} is there already and is no backup; give another folder")
    if not overwrite:
        raise UsageError(
            f"there is a backup in {target} already; give another folder, or replace it: overwrite=True, --overwrite"
        )
    identity = _read_identity(target)
    if identity != catalogue.identity:
        raise UsageError(
            f"{target} holds another collection, which no backup of this one replaces; give another folder"
        )


def _name_earlier(target: Path) -> Path:
    """Return where an earlier backup is for the moment in which the new one takes its place."""
    return target.with_name(f"{target.name}.{EARLIER}")


def _read_identity(folder: Path) -> str | None:
    """Return the identity of the collection in a folder; None if it can't be read, so that nobody knows whose it is."""
    path = folder / sqlite.FILE
    engine = sqlite.connect(path, 0.0, Access(path, UNTOUCHED))
    try:
        with engine.connect() as connection:
            query = sa.select(schema.setting.c.value).where(schema.setting.c.key == "identity")
            return str(connection.execute(query).scalar_one())
    except (CatalogueError, sa.exc.SQLAlchemyError):
        return None
    finally:
        engine.dispose()


def _remove_left_over(target: Path) -> None:
    """Remove what killed processes of this machine have left of backups to this place."""
    if os.name != "posix":  # elsewhere, asking whether a process lives would end it
        return
    for path in target.parent.glob(f".*.{PART}"):
        match = re.fullmatch(rf"\.{re.escape(target.name[:60])}\.(\d+)-[0-9a-f]+\.{PART}", path.name)
        if match and not _is_alive(int(match[1])):
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _check_room(catalogue: Catalogue, folder: Path) -> None:
    beside = [catalogue.folder / name for name in BESIDE]
    files = [path for top in beside for path in ([top] if top.is_file() else top.rglob("*")) if path.is_file()]
    needed, free = catalogue.size_on_disk() + sum(path.stat().st_size for path in files), shutil.disk_usage(folder).free
    if needed > free:
        raise WriteFailed(f"the backup needs {needed:,} bytes, and the disk of {folder} has room for {free:,}")


def _copy_database(snapshot: Snapshot, path: Path, target: Path, progress: Callable[[int, int], object]) -> None:
    """Copy the moment that the snapshot reads: its transaction holds it still while others write."""
    with closing(sqlite3.connect(Access(target, "mode=rwc&nolock=1").uri, uri=True)) as copy:  # also on a network disk
        copy.execute("PRAGMA synchronous=OFF")  # it is synced as a whole, before it gets its name
        source: Any = snapshot._connection.connection.driver_connection
        try:
            source.backup(copy, pages=PAGES, progress=lambda _, left, total: progress(total - left, total))
        except sqlite3.Error as error:
            translated = sqlite.translate_error(error, path, is_writing=False)
            if isinstance(translated, CatalogueDamaged):
                raise translated from error
            raise WriteFailed(
                f"the backup in {target.parent.parent} can't be written ({error}) and was not made; free disk space"
            ) from error


def _check_copy(path: Path, facts: Facts) -> None:
    """Raise CatalogueDamaged unless the copy is sound and holds what the moment held."""
    engine = sqlite.connect(path, 0.0, Access(path, UNTOUCHED))
    try:
        with engine.connect() as connection:
            faults = sqlite.find_faults(connection)
            if faults:
                raise CatalogueDamaged(
                    f"the database is damaged, and no backup was made of it: {faults[0]}; nearkin verify tells more"
                )
            copied = Facts.of(Snapshot(connection))
    except sa.exc.SQLAlchemyError as error:
        raise CatalogueDamaged(f"the backup can't be read back: {error}; it was not kept") from error
    finally:
        engine.dispose()
    if copied != facts:
        raise CatalogueDamaged(f"the backup holds {copied}, and the database held {facts}; it was not kept")


def copy_beside(source: Path, target: Path) -> None:
    """Copy what lies beside the database and can't be made again from one folder to another."""
    for name in BESIDE:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, copy_function=_copy_file, dirs_exist_ok=True)
        elif (source / name).is_file():
            _copy_file(source / name, target / name)


def _copy_file(source: str | Path, target: str | Path) -> None:
    """Copy a file with its times, unless it has vanished meanwhile."""
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)
        sync(Path(target))


def _publish(part: Path, target: Path, overwrite: bool) -> None:
    """Rename the complete backup to its name; an earlier one goes only then."""
    earlier = _name_earlier(target)
    replaces = overwrite and (target / sqlite.FILE).is_file()
    if replaces:
        os.rename(target, earlier)
    try:
        if os.name != "posix" and target.is_dir():  # (there, an empty folder is not replaced)
            target.rmdir()
        os.rename(part, target)
    except OSError:
        if replaces and not target.exists():
            os.rename(earlier, target)
        raise
    sync(target.parent)
    if replaces:
        shutil.rmtree(earlier, ignore_errors=True)
