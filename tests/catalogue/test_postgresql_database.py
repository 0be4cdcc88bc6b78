from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from indexers.catalogue import schema
from indexers.catalogue.addresses import DatabaseAddress
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.transaction import Transaction
from indexers.catalogue.upgrade import upgrade_catalogue
from indexers.errors import (
    CatalogueError,
    CollectionNotFound,
    CollectionReadOnly,
    CollectionReplaced,
    NearkinError,
    ReadFailed,
    SchemaTooNew,
    SchemaTooOld,
    UsageError,
    WriteConflict,
    WriterBusy,
)
from indexers.types import Arrival, StoredArrival
from retrieval import Collection
from tests.conftest import vectors
from tests.support.databases import Server, parse_database


@pytest.fixture
def url(postgresql: Server) -> str:
    return postgresql.create_schema()


@pytest.fixture
def address(url: str, tmp_path: Path) -> DatabaseAddress:
    return replace(parse_database(url), folder=tmp_path / "follows")


def open_on(machine: Path, url: str, **options: object) -> Collection:
    return Collection.open(machine, catalogue_url=url, **options)  # type: ignore[arg-type]


def test_two_machines_see_what_either_adds(url: str, tmp_path: Path) -> None:
    points = vectors(60)
    with open_on(tmp_path / "a", url, create=True) as one, open_on(tmp_path / "b", url) as other:
        one.add_vectors(points[:30], keys=[f"a{n}" for n in range(30)], metadata={"from": "a"})
        assert other.search(vector=points[7], k=1)[0].key == "a7"
        other.add_vectors(points[30:], keys=[f"b{n}" for n in range(30)], metadata={"from": "b"})
        for collection in (one, other):
            assert [hit.key for hit in collection.search(vector=points[40], k=1)] == ["b10"]
            assert collection.count(where={"from": "b"}) == 30
            assert collection.verify().ok
        assert {c.id: c.size for c in one.clusters()} == {c.id: c.size for c in other.clusters()}
    names = {path.name for path in (tmp_path / "b" / "spaces" / "1").iterdir()}
    assert {"flat", "tree"} <= names
    assert not list(tmp_path.rglob("*.sqlite"))


def test_files_of_a_machine_serve_its_next_opening(url: str, tmp_path: Path) -> None:
    with open_on(tmp_path / "a", url, create=True) as collection:
        collection.add_vectors(vectors(50))
    with open_on(tmp_path / "b", url) as other:
        other.add_vectors(vectors(3, seed=1))
    with open_on(tmp_path / "a", url) as collection:
        assert collection.info().repairs == ()
        assert collection.count() == 53
        assert collection.verify().ok


def test_left_alone_what_follows_lies_in_the_users_cache(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEARKIN_KEY_FOLDER", str(tmp_path / "user"))
    with Collection.open(url, create=True) as collection:
        assert collection.path.parent == tmp_path / "user" / "collections"
        before = collection.path
    monkeypatch.setenv("NEARKIN_FOLDER", str(tmp_path / "chosen"))
    with Collection.open(url) as collection:
        assert collection.path == tmp_path / "chosen"
    monkeypatch.delenv("NEARKIN_FOLDER")
    monkeypatch.setenv("NEARKIN_CATALOGUE_URL", url)
    with Collection.open(tmp_path / "third") as collection:
        assert (collection.path, collection.address) == (tmp_path / "third", str(parse_database(url)))
    monkeypatch.delenv("NEARKIN_CATALOGUE_URL")
    with Collection.open(url) as collection:
        assert collection.path == before


def test_no_password_is_shown_anywhere(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = url.replace("postgres@", "postgres:s3cret@")
    monkeypatch.setattr("sys.argv", ["nearkin", "add", "-c", secret])
    with open_on(tmp_path / "a", secret, create=True) as collection:
        collection.add_vectors(vectors(3))
        told = [
            repr(collection),
            str(collection.info()),
            collection.address,
            (tmp_path / "a" / "writer.json").read_text(),
        ]
    told += [repr(collection), caplog.text]
    for wrong in ("?password=s3cret", "nowhere?password=s3cret", "/deep"):
        with pytest.raises(NearkinError) as error:
            Collection.open(secret.split("?")[0] + wrong)
        told.append(str(error.value))
    assert "s3cret" not in "".join(told)


def test_a_database_that_does_not_answer_or_exist_is_told(url: str, tmp_path: Path) -> None:
    strange = url.replace("/postgres?", "/nowhere?"), url.replace("postgres@", "nobody@")
    for wrong in (*strange, "postgresql://postgres@127.0.0.1:9/x"):
        with pytest.raises(ReadFailed, match="check the address"):
            open_on(tmp_path / "a", wrong, create=True)
    with pytest.raises(UsageError, match="names no database"):
        Collection.open("postgresql://postgres@127.0.0.1")
    with pytest.raises(CollectionNotFound, match="nearkin add PATH -c postgresql://"):
        open_on(tmp_path / "a", url)
    assert not (tmp_path / "a").exists()


def test_tables_of_another_program_are_left_alone(postgresql: Server, url: str, tmp_path: Path) -> None:
    schema_name = url.rpartition("%3D")[2]
    postgresql.execute(f"CREATE TABLE {schema_name}.item (id integer)")
    with pytest.raises(CatalogueError, match="another program \\(item\\)"):
        open_on(tmp_path / "a", url, create=True)
    tables = postgresql.execute(f"SELECT tablename FROM pg_tables WHERE schemaname = '{schema_name}'")
    assert tables == [("item",)]


def test_a_type_of_the_name_of_a_table_is_told(postgresql: Server, url: str, tmp_path: Path) -> None:
    schema_name = url.rpartition("%3D")[2]
    postgresql.execute(f"CREATE TYPE {schema_name}.vector AS ENUM ('a')")  # as the extension of that name does
    with pytest.raises(CatalogueError, match="ALTER EXTENSION vector SET SCHEMA"):
        open_on(tmp_path, url, create=True)


def test_tables_of_another_version_are_told_and_upgraded(
    address: DatabaseAddress, postgresql: Server, url: str
) -> None:
    Catalogue.create(address).close()
    table = f"{url.rpartition('%3D')[2]}.alembic_version"
    for revision, kind in (("9999", SchemaTooNew), ("0001", SchemaTooOld)):
        postgresql.execute(f"UPDATE {table} SET version_num = '{revision}'")
        with pytest.raises(kind, match="postgresql://"):
            Catalogue.open(address)
    postgresql.execute(f"UPDATE {table} SET version_num = '9999'")
    with pytest.raises(SchemaTooNew):
        upgrade_catalogue(address)
    postgresql.execute(f"UPDATE {table} SET version_num = '{schema.REVISION}'")
    assert upgrade_catalogue(address) == (schema.REVISION, schema.REVISION)
    Catalogue.open(address).close()


def test_a_failed_upgrade_is_taken_back(address: DatabaseAddress, postgresql: Server, url: str) -> None:
    Catalogue.create(address).close()
    table = f"{url.rpartition('%3D')[2]}.alembic_version"
    postgresql.execute(f"UPDATE {table} SET version_num = '0011'")  # whose columns are there already
    with pytest.raises(CatalogueError, match="as it was before"):
        upgrade_catalogue(address)
    assert postgresql.execute(f"SELECT version_num FROM {table}") == [("0011",)]


def test_who_may_only_read_reads(address: DatabaseAddress, postgresql: Server, url: str, tmp_path: Path) -> None:
    with open_on(tmp_path / "a", url, create=True) as collection:
        collection.add_vectors(vectors(9), keys=[str(n) for n in range(9)])
    schema_name, reader = url.rpartition("%3D")[2], f"reader_{os.getpid()}"
    postgresql.execute(f"CREATE USER {reader}")
    with pytest.raises(CollectionNotFound, match="postgresql://reader"):  # a schema without rights looks empty
        open_on(tmp_path / "b", url.replace("postgres@", f"{reader}@"))
    postgresql.execute(f"GRANT USAGE ON SCHEMA {schema_name} TO {reader}")
    postgresql.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema_name} TO {reader}")
    with open_on(tmp_path / "b", url.replace("postgres@", f"{reader}@")) as collection:
        assert collection.search(vector=vectors(9)[3], k=1)[0].key == "3"
        with pytest.raises(CollectionReadOnly, match="may only be read"):
            collection.remove(["3"])
    with open_on(tmp_path / "a", url) as collection:
        assert collection.count() == 9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")
def test_a_forked_process_opens_the_database_again(address: DatabaseAddress) -> None:
    catalogue = Catalogue.create(address)
    child = os.fork()
    if child == 0:
        try:
            with pytest.raises(CollectionReplaced, match="forked"), catalogue.snapshot():
                pass
            with catalogue.reopen().transaction() as writing:
                writing.set_setting("child", 1)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    with catalogue.snapshot() as snapshot:
        assert snapshot.setting("child") == 1
    catalogue.close()


def test_vectors_come_back_bit_for_bit(address: DatabaseAddress) -> None:
    catalogue = Catalogue.create(address)
    points = vectors(700, dimension=33)
    with catalogue.transaction() as writing:
        space = writing.add_space("s", None, {}, "", 33, "cosine")
        ids = [row.item_id for row in writing.put([Arrival(vector=point) for point in points], space.id)]
    with catalogue.snapshot() as snapshot:
        item_ids, read = snapshot.vectors(space.id, ids)
    assert item_ids.tolist() == ids
    assert np.array_equal(read, points)
    catalogue.close()


@pytest.fixture
def both(address: DatabaseAddress) -> Iterator[tuple[Catalogue, Catalogue]]:
    """Yield the catalogue as two machines have it open."""
    one = Catalogue.create(address)
    other = Catalogue.open(replace(address, folder=Path(f"{address.folder} of another")))
    yield one, other
    one.close()
    other.close()


def put(catalogue: Catalogue, arrivals: Sequence[Arrival], **options: bool) -> list[StoredArrival]:
    return catalogue.write(lambda transaction: transaction.put(arrivals), **options)


def test_two_machines_write_at_once_and_numbers_have_no_gaps(both: tuple[Catalogue, Catalogue]) -> None:
    one, other = both
    with one.transaction(beside=True) as first:
        first.put([Arrival(f"a{n}") for n in range(5)])
        put(other, [Arrival(f"b{n}") for n in range(3)])  # which does not wait for the first
        with other.snapshot() as snapshot:
            assert (snapshot.number, snapshot.count()) == (3, 3)
    with one.snapshot() as snapshot:
        assert (snapshot.number, snapshot.count()) == (8, 8)
        items = snapshot.items(snapshot.changed_item_ids(3))
        assert sorted(item.key for item in items) == [f"a{n}" for n in range(5)]


def test_one_that_must_be_alone_waits_for_the_others(both: tuple[Catalogue, Catalogue]) -> None:
    one, other = both
    with one.transaction(beside=True) as first:
        first.put([Arrival("a")])
        with pytest.raises(WriterBusy, match="another writer is at work"), other.transaction(wait=0.01):
            pass
    with one.transaction(), pytest.raises(WriterBusy), other.transaction(wait=0.01, beside=True):
        pass


def test_the_same_key_is_stored_once_with_what_both_say(both: tuple[Catalogue, Catalogue]) -> None:
    threads = [
        Thread(target=put, args=(catalogue, [Arrival(f"k{n}", metadata={name: n}) for n in order]))
        for name, catalogue, order in (("one", both[0], range(40)), ("other", both[1], range(39, -1, -1)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with both[0].snapshot() as snapshot:
        items = snapshot.items(snapshot.ids().tolist())
        assert [dict(item.metadata) for item in sorted(items, key=lambda item: int(item.key[1:]))] == [
            {"one": n, "other": n} for n in range(40)
        ]
        assert snapshot.number == 80


def test_a_file_of_which_two_see_other_content_is_one_item_in_the_end(both: tuple[Catalogue, Catalogue]) -> None:
    one, other = both
    seen: list[str] = []

    def put_late(transaction: Transaction) -> None:
        transaction.put([Arrival(hash=b"1" * 20, uri="/a.png")])
        if not seen:  # the other one is faster
            put(other, [Arrival(hash=b"2" * 20, uri="/a.png")])
        seen.append("called")

    one.write(put_late)
    assert seen == ["called", "called"]
    with one.snapshot() as snapshot:
        [item] = snapshot.items(snapshot.ids().tolist())
        assert (item.hash, item.uris) == (b"1" * 20, ("/a.png",))


def test_what_depends_on_what_others_do_is_done_alone(both: tuple[Catalogue, Catalogue]) -> None:
    put(both[0], [Arrival(hash=b"1" * 20, uri="/a.png")])
    with pytest.raises(WriteConflict), both[0].transaction(beside=True) as transaction:
        transaction.put([Arrival(hash=b"2" * 20, uri="/a.png")])
    put(both[0], [Arrival(hash=b"2" * 20, uri="/a.png")])
    with both[1].snapshot() as snapshot:
        assert [item.hash for item in snapshot.items(snapshot.ids().tolist())] == [b"2" * 20]
