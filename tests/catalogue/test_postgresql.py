from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from indexers.catalogue import postgresql
from indexers.catalogue.catalogue import Catalogue
from indexers.errors import (
    CollectionReadOnly,
    MissingPackage,
    ReadFailed,
    UsageError,
    WriteConflict,
    WriteFailed,
    WriterBusy,
)
from tests.support.databases import Server, parse_database


@pytest.fixture
def created(postgresql: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    monkeypatch.setenv("NEARKIN_KEY_FOLDER", str(tmp_path))
    return Catalogue.create(parse_database(postgresql.create_schema()), wait=0.2)


def test_a_second_writer_waits_and_is_told_who_holds_the_lock(created: Catalogue, tmp_path: Path) -> None:
    other = Catalogue.open(created.database._address)  # type: ignore[attr-defined]
    other.database.lock = type(other.lock)(tmp_path, 0)  # as on another machine
    with created.transaction(), pytest.raises(WriterBusy, match=r"at work: nearkin \d+ on .*try again"):  # noqa: SIM117
        with other.transaction(wait=0.1):
            pass
    with other.transaction(wait=0.1) as writing:
        writing.set_setting("a", 1)
    other.close()
    created.close()


@pytest.mark.parametrize(
    ("code", "is_writing", "kind"),
    [
        (psycopg.errors.LockNotAvailable, True, WriterBusy),
        (psycopg.errors.DeadlockDetected, True, WriteConflict),
        (psycopg.errors.UniqueViolation, True, WriteConflict),
        (psycopg.errors.ReadOnlySqlTransaction, True, CollectionReadOnly),
        (psycopg.errors.InsufficientPrivilege, True, CollectionReadOnly),
        (psycopg.errors.InsufficientPrivilege, False, ReadFailed),
        (psycopg.errors.DiskFull, True, WriteFailed),
        (psycopg.errors.AdminShutdown, True, WriteFailed),
        (psycopg.errors.AdminShutdown, False, ReadFailed),
        (psycopg.OperationalError, True, WriteFailed),
        (psycopg.OperationalError, False, ReadFailed),
        (psycopg.errors.InvalidCatalogName, False, ReadFailed),
    ],
)
def test_what_a_user_can_mend_is_an_error_of_ours(code: type[psycopg.Error], is_writing: bool, kind: type) -> None:
    translated = postgresql.translate_error(code("it is so\nsecond line"), "postgresql://host/db", is_writing)
    assert type(translated) is kind
    assert "postgresql://host/db" in str(translated)
    assert "second line" not in str(translated)


def test_other_errors_stay_what_they_are() -> None:
    assert postgresql.translate_error(psycopg.errors.UndefinedTable("x"), "db", False) is None
    assert postgresql.translate_error(ValueError("x"), "db", False) is None


def test_half_a_surrogate_pair_is_told_as_elsewhere(created: Catalogue) -> None:
    with pytest.raises(UsageError, match="half a surrogate"), created.snapshot() as snapshot:
        snapshot._all(postgresql.sa.select(postgresql.sa.literal("\ud800")))
    created.close()


def test_a_server_that_was_away_is_found_again(tmp_path: Path, postgresql: Server) -> None:
    with Server(postgresql._binaries) as server:
        created = Catalogue.create(parse_database(server.create_schema()))
        with created.transaction() as writing:
            writing.set_setting("a", 1)
        server.stop()
        for _ in range(2):
            with pytest.raises(ReadFailed, match="check the address"), created.snapshot():
                pass
            with pytest.raises(WriteFailed, match="Nothing of this batch"), created.transaction():
                pass
        server.start()
        with created.snapshot() as snapshot:
            assert snapshot.setting("a") == 1
        created.close()


def test_without_its_package_the_command_is_told() -> None:
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from retrieval import Collection\n"
        "Collection.open('postgresql://user:secret@host/db')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert MissingPackage.__name__ in done.stderr
    assert "pip install 'nearkin[postgresql]'" in done.stderr
    assert "secret" not in done.stderr.split("Error")[-1]
