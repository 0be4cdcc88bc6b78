"""Databases that may only be read: with a log and without, while somebody writes, and in a copy."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexers.catalogue import read_only
from indexers.catalogue.catalogue import Catalogue
from indexers.errors import CollectionReadOnly, CollectionReplaced, ReadFailed
from indexers.types import Arrival
from retrieval import Collection
from tests.conftest import vectors
from tests.support.pictures import disc
from tests.support.read_only import protect, run_without_rights

KILLED = """
import os, sys
from pathlib import Path
from indexers.catalogue.catalogue import Catalogue
from indexers.types import Arrival
catalogue = Catalogue.open(Path(sys.argv[1]))
with catalogue.transaction() as writing:
    writing.put([Arrival("killed")])
os._exit(9)
"""
"""A writer that is killed leaves its log behind."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    made = Catalogue.create(tmp_path / "c")
    with made.transaction() as writing:
        writing.put([Arrival("a"), Arrival("b")])
    made.close()
    yield made.folder
    protect(made.folder, is_writable=True)


def count_keys(folder: Path) -> int:
    catalogue = Catalogue.open(folder)
    try:
        with catalogue.snapshot() as snapshot:
            return snapshot.count()
    finally:
        catalogue.close()


@pytest.fixture
def _nothing_may_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_only, "can_write", lambda _: False)


@pytest.mark.usefixtures("_nothing_may_be_written")
def test_without_a_log_the_file_alone_is_read_and_nothing_is_written(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    catalogue = Catalogue.open(folder)
    assert (catalogue.is_read_only, catalogue.database._access.parameters) == (True, "immutable=1&mode=ro")
    with catalogue.snapshot() as snapshot:
        assert snapshot.count() == 2
    sentence = r"may only be read: its folder, or a file in it, can't be written"
    with pytest.raises(CollectionReadOnly, match=sentence), catalogue.transaction():
        pytest.fail("it may only be read")
    assert catalogue.find_faults() == []
    catalogue.close()
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_full_disk_is_read_and_what_writes_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_only, "has_room", lambda _: False)
    catalogue = Catalogue.open(folder)
    assert not catalogue.is_read_only  # there is room enough for SQLite
    catalogue.close()
    subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    for path in read_only.list_files(folder / "catalogue.sqlite")[2:]:
        path.unlink()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, limits[1]))  # the memory of the log takes 32 KB
    monkeypatch.setattr(read_only, "_copy", lambda path, _: read_only.Access(path, "immutable=1&mode=ro", True))
    try:
        catalogue = Catalogue.open(folder)
        with catalogue.snapshot() as snapshot:
            assert snapshot.count() >= 2
        with pytest.raises(CollectionReadOnly, match="its disk is full: free disk space"), catalogue.transaction():
            pytest.fail("it may only be read")
        catalogue.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert count_keys(folder) == 3


def test_a_log_that_a_killed_writer_has_left_behind_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    log, memory = read_only.list_files(folder / "catalogue.sqlite")[1:]
    assert log.stat().st_size > 0
    monkeypatch.setattr(read_only, "can_write", lambda _: False)
    protect(folder)
    assert count_keys(folder) == 3
    protect(folder, is_writable=True)
    memory.unlink()  # as in a copy or a snapshot of the database and its log
    protect(folder)
    catalogue = Catalogue.open(folder)
    copy = catalogue.database._access.path.parent
    assert copy.is_dir()
    catalogue.close()
    assert not copy.exists()
    assert count_keys(folder) == 3
    assert not memory.exists()


def test_a_copy_that_has_no_room_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    read_only.list_files(folder / "catalogue.sqlite")[1].write_bytes(b"x")
    monkeypatch.setattr(shutil, "copyfile", refuse)
    monkeypatch.setattr(read_only, "can_write", lambda _: False)
    with pytest.raises(ReadFailed, match=r"make room for .* bytes in the temporary folder"):
        Catalogue.open(folder)


def test_what_is_written_meanwhile_is_seen_by_the_next_call(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collection.open(folder) as writer:
        writer.add_vectors(vectors(5))
    with monkeypatch.context() as patch:
        patch.setattr(read_only, "can_write", lambda _: False)
        reader = Collection.open(folder)
    with Collection.open(folder) as writer:
        writer.add_vectors(vectors(3, 9))
        catalogue = reader._opened.catalogue
        with (
            pytest.raises(CollectionReplaced, match="changed by somebody else"),
            catalogue.snapshot(),
        ):
            pytest.fail("the log holds more")
        monkeypatch.setattr(read_only, "can_write", lambda _: False)
        assert reader.count() == 10
        assert len(reader.search(vector=vectors(1, 9)[0], k=20)) == 8
        monkeypatch.undo()
        writer.add_vectors(vectors(1, 11))
        assert reader.count() == 11
        monkeypatch.setattr(read_only, "can_write", lambda _: False)
    assert reader.count() == 11
    assert reader.info().repairs == ()
    reader.close()


READ = """
import io, json, os, sys
from retrieval import Collection, CollectionReadOnly
from retrieval.server import ServerSettings, create_app
from starlette.testclient import TestClient
folder, picture, out = sys.argv[1:]
answers = {}
with Collection.open(folder) as collection:
    answers["hits"] = len(collection.search(picture))
    answers["clusters"] = sum(len(collection.clusters(level)) for level in ("coarse", "medium", "fine"))
    answers["partitions"] = len(collection.partitions())
    answers["items"] = collection.info().items
    answers["duplicates"] = len(collection.duplicates())
    answers["check"] = len(collection.duplicates_of(picture))
    answers["verify"] = collection.verify().problems
    answers["export"] = collection.export(out + "/items.csv")
    for write in (
        lambda: collection.add(picture),
        lambda: collection.remove(1),
        lambda: collection.update(1, {"a": 1}),
        lambda: collection.verify(repair=True),
        lambda: collection.move_duplicates([], out, dry_run=False),
    ):
        try:
            write()
            answers["written"] = True
        except CollectionReadOnly as error:
            answers.setdefault("sentences", []).append(str(error))
    with TestClient(create_app(collection, ServerSettings()), base_url="http://127.0.0.1:8601") as client:
        answers["page"] = client.get("/").status_code
        answers["thumbnails"] = [client.get("/v1/items/1/thumbnail").status_code for _ in range(2)]
        with open(picture, "rb") as file:
            answers["upload"] = client.post("/v1/uploads", files={"picture": file}).status_code
        answers["removed"] = client.delete("/v1/items/1").status_code
print(json.dumps(answers))
"""


def test_everything_that_reads_works_without_rights_and_what_writes_says_so(tmp_path: Path, folder: Path) -> None:
    picture = tmp_path / "a.png"
    disc().save(picture)
    with Collection.open(tmp_path / "p", create=True, embedder="tiny") as collection:
        collection.add(picture)
        collection.add_vectors(vectors(30, 3, dimension=collection.info().dimension or 8))
        collection.duplicates()
    protect(tmp_path / "p")
    out = tmp_path / "out"
    out.mkdir()
    done = run_without_rights(READ, tmp_path / "p", picture, out)
    protect(tmp_path / "p", is_writable=True)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    assert (answers["hits"], answers["items"], answers["export"], answers["check"]) == (20, 31, 31, 1)
    assert answers["partitions"] >= 1
    assert answers["verify"] == []
    assert "written" not in answers
    assert len(answers["sentences"]) == 5
    assert set(answers["sentences"]) == {
        f"the collection in {tmp_path / 'p'} may only be read: its folder, or a file in it, can't be written; nothing "
        "was changed"
    }
    assert (answers["page"], answers["thumbnails"], answers["removed"]) == (200, [200, 200], 403)
    assert answers["upload"] == 201
    assert not os.path.exists(tmp_path / "p" / "thumbnails")
