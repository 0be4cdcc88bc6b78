"""What is SQLite's own: settings of a connection, its faults in our words, where it must not lie."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from indexers.catalogue import sqlite as database
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.schema import item
from indexers.errors import CatalogueDamaged, ReadFailed, UnsafeFileSystem, WriteFailed, WriterBusy
from indexers.types import Arrival
from tests.conftest import vectors


def put_items(catalogue: Catalogue, count: int = 500) -> None:
    with catalogue.transaction() as writing:
        space = writing.spaces()[0] if writing.spaces() else writing.add_space("s", None, {}, "", 8, "cosine")
        arrivals = [
            Arrival(f"k{n}", metadata={"n": n}, uri=f"/{n}.jpg", vector=row) for n, row in enumerate(vectors(count))
        ]
        writing.put(arrivals, space.id)


def test_connections_are_safe_and_roomy(catalogue: Catalogue) -> None:
    with catalogue.engine.begin() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "page_size")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "page_size": 16384}


def test_a_write_that_turns_out_to_be_one_late_does_not_meet_a_stale_snapshot(catalogue: Catalogue) -> None:
    """Writers begin with BEGIN IMMEDIATE; a deferred one would fail here with SQLITE_BUSY_SNAPSHOT."""
    with catalogue.transaction() as writing:
        assert writing.count() == 0
        writing.put([Arrival("a")])


def test_a_lock_of_another_program_is_writer_busy(catalogue: Catalogue) -> None:
    connection = sqlite3.connect(catalogue.database.path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(WriterBusy, match="locked by another program"), catalogue.transaction():
        pytest.fail("two at once")
    connection.execute("ROLLBACK")
    connection.close()
    put_items(catalogue, 1)


def test_sqlites_own_housekeeping_is_waited_for_even_by_the_impatient(catalogue: Catalogue) -> None:
    """It locks everybody out while it recovers its log, or folds it in as the last connection closes."""
    put_items(catalogue, 3)
    catalogue.close()
    connection = sqlite3.connect(catalogue.database.path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    end = threading.Timer(0.3, lambda: (connection.execute("ROLLBACK"), connection.close()))
    end.start()
    with Catalogue.open(catalogue.folder, wait=0.01).snapshot() as moment:
        assert moment.count() == 3
    end.join()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SQLITE_CORRUPT", CatalogueDamaged),
        ("SQLITE_CORRUPT_INDEX", CatalogueDamaged),
        ("SQLITE_NOTADB", CatalogueDamaged),
        ("SQLITE_FULL", WriteFailed),
        ("SQLITE_IOERR_WRITE", WriteFailed),
        ("SQLITE_READONLY", WriteFailed),
        ("SQLITE_CANTOPEN", WriteFailed),
        ("SQLITE_BUSY", WriterBusy),
    ],
)
def test_faults_are_translated(name: str, kind: type[Exception]) -> None:
    fault = sqlite3.OperationalError("the words of SQLite")
    fault.sqlite_errorname = name
    translated = database.translate_error(fault, Path("/c/catalogue.sqlite"))
    assert type(translated) is kind
    assert "/c/catalogue.sqlite" in str(translated)
    assert "the words of SQLite" in str(translated)


@pytest.fixture
def _no_more_files() -> Iterator[None]:
    """Take all file descriptors that the process may have."""
    resource = pytest.importorskip("resource")
    limits, files = resource.getrlimit(resource.RLIMIT_NOFILE), []
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
    try:
        with suppress(OSError):
            while True:
                files.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_who_can_open_no_more_files_is_told_so(catalogue: Catalogue, request: pytest.FixtureRequest) -> None:
    put_items(catalogue, 1)
    catalogue.engine.dispose()
    request.getfixturevalue("_no_more_files")
    with pytest.raises(ReadFailed, match=r"no more files can be opened; .*ulimit -n") as reading, catalogue.snapshot():
        pytest.fail("there is no descriptor")
    assert "written" not in str(reading.value)
    assert "cannot write" not in str(reading.value)
    with pytest.raises(WriteFailed, match=r"no more files can be opened"), catalogue.transaction():
        pytest.fail("there is no descriptor")


def test_an_error_of_reading_is_not_one_of_writing(tmp_path: Path) -> None:
    fault = sqlite3.OperationalError("disk I/O error")
    fault.sqlite_errorname = "SQLITE_IOERR_READ"
    path = tmp_path / database.FILE
    with pytest.raises(ReadFailed, match="it is not there"):
        raise database.translate_error(fault, path, is_writing=False) or ValueError
    path.touch()
    with pytest.raises(ReadFailed, match=r"cannot read .*the disk reports an error"):
        raise database.translate_error(fault, path, is_writing=False) or ValueError
    fault.sqlite_errorname = "SQLITE_FULL"
    with pytest.raises(WriteFailed, match="the disk is full; free disk space"):
        raise database.translate_error(fault, path) or ValueError


def test_our_own_mistakes_are_not_translated(catalogue: Catalogue) -> None:
    assert database.translate_error(ValueError("x"), Path()) is None
    with pytest.raises(sa.exc.OperationalError, match="no such table"), catalogue.engine.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM nowhere")
    with pytest.raises(sa.exc.IntegrityError), catalogue.transaction() as writing:
        writing._connection.exec_driver_sql("INSERT INTO location (item, uri) VALUES (99, '/a')")


def test_a_full_disk_is_write_failed_and_loses_nothing(catalogue: Catalogue) -> None:
    put_items(catalogue, 10)
    with catalogue.engine.connect() as connection:  # the pool gives this connection to the writer below
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(WriteFailed, match="Nothing of this batch was stored; everything before it was"):
        put_items(catalogue, 5000)
    with catalogue.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    with catalogue.snapshot() as snapshot:
        assert snapshot.count() == 10
    put_items(catalogue, 5000)


def test_what_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / database.FILE).write_bytes(b"not a database " * 5000)
    with pytest.raises(CatalogueDamaged, match="not a database"):
        Catalogue.open(tmp_path)


def damage(path: Path) -> None:
    """Overwrite every fourth page but the first ones; of the others, none where a table begins."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        roots = {page for (page,) in connection.execute("SELECT rootpage FROM sqlite_master")}
    connection.close()
    data = bytearray(path.read_bytes())
    for number in range(42, len(data) // database.PAGE_SIZE, 4):
        if number + 1 not in roots:  # SQLite counts pages from 1
            data[number * database.PAGE_SIZE : number * database.PAGE_SIZE + 200] = b"\xff" * 200
    path.write_bytes(data)


def test_damage_inside_is_found(tmp_path: Path) -> None:
    created = Catalogue.create(tmp_path)
    put_items(created, 3000)
    created.close()
    damage(created.database.path)
    again = Catalogue.open(tmp_path)
    try:
        with pytest.raises(CatalogueDamaged, match="damaged"), again.snapshot() as snapshot:
            snapshot.items(snapshot.ids().tolist())
        assert again.find_faults()
    finally:
        again.close()


def test_strays_are_found(catalogue: Catalogue) -> None:
    put_items(catalogue, 3)
    assert catalogue.find_faults() == []
    with sqlite3.connect(catalogue.database.path) as connection:  # another program that doesn't know our references
        connection.execute("DELETE FROM item WHERE id = 2")
    connection.close()
    assert "refers to a missing item" in catalogue.find_faults()[0]


MOUNTS = """
/dev/sda1 / ext4 rw 0 0
server:/x /mnt/nfs nfs4 rw 0 0
tmpfs /mnt/nfs/local tmpfs rw 0 0
//server/y /mnt/a\\040b cifs rw 0 0
host: /mnt/a fuse.sshfs rw 0 0
broken line
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/home", "ext4"),
        ("/mnt/nfs", "nfs4"),
        ("/mnt/nfs/deep/er", "nfs4"),
        ("/mnt/nfs2", "ext4"),
        ("/mnt/nfs/local/x", "tmpfs"),
        ("/mnt/a b/c", "cifs"),
        ("/mnt/a/c", "fuse.sshfs"),
    ],
)
def test_the_file_system_of_a_folder_is_told(tmp_path: Path, folder: str, kind: str) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)
    assert database.find_file_system(Path(folder), tmp_path / "mounts") == kind


def test_where_the_system_does_not_tell_nothing_is_refused(tmp_path: Path) -> None:
    assert database.find_file_system(tmp_path, tmp_path / "no such file") == ""


def test_network_file_systems_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mounts").write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/x {os.path.realpath(tmp_path)} nfs4 rw 0 0\n")
    tell = database.find_file_system
    monkeypatch.setattr(database, "find_file_system", lambda folder: tell(folder, tmp_path / "mounts"))
    with pytest.raises(UnsafeFileSystem, match=r"network file system \(nfs4\).*keep the collection on a local disk"):
        Catalogue.create(tmp_path / "c")
    assert not (tmp_path / "c" / database.FILE).exists()


def test_a_copy_holds_what_lies_in_the_log(catalogue: Catalogue, tmp_path: Path) -> None:
    put_items(catalogue, 100)
    with catalogue.snapshot():  # a reader keeps the log from being merged
        put_items(catalogue, 200)
        database.copy_database(catalogue.engine, tmp_path / "copy.sqlite")
    with sqlite3.connect(tmp_path / "copy.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM item").fetchone() == (200,)
    connection.close()


def test_rows_that_the_driver_gives_are_those_of_sqlalchemy(catalogue: Catalogue) -> None:
    put_items(catalogue, 5)
    statement = sa.select(item.c.key).where(item.c.id > sa.bindparam("above")).order_by(item.c.id).limit(2)
    with catalogue.engine.connect() as connection:  # no transaction has begun yet
        rows = database.fetch_all(connection, statement, above=2)
        assert rows == [tuple(row) for row in connection.execute(statement, {"above": 2})] == [("k2",), ("k3",)]


def test_faults_of_the_driver_are_translated_too(catalogue: Catalogue) -> None:
    put_items(catalogue, 500)
    with catalogue.engine.connect() as connection:  # the schema stays, which each connection reads
        query = "SELECT rootpage FROM sqlite_master WHERE tbl_name = 'item'"
        roots = connection.exec_driver_sql(query).scalars().all()
        size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    catalogue.engine.dispose()
    file = bytearray(catalogue.database.path.read_bytes())
    for root in roots:
        file[(root - 1) * size : root * size] = b"\xff" * size
    catalogue.database.path.write_bytes(file)
    with catalogue.engine.connect() as connection, pytest.raises(CatalogueDamaged):
        database.fetch_all(connection, sa.select(item.c.key))
