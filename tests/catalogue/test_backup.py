"""Backups: whole and checked or not there, while others write, and opened like any collection."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.catalogue import backup, read_only
from indexers.catalogue import sqlite as database
from indexers.catalogue.catalogue import Catalogue
from indexers.errors import CatalogueDamaged, UsageError, WriteFailed
from retrieval import Collection
from tests.conftest import vectors


@pytest.fixture
def source(tmp_path: Path) -> Any:
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(
            vectors(200), keys=[f"k{n}" for n in range(200)], metadata=[{"n": n} for n in range(200)]
        )
        yield collection


def list_names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_a_backup_opens_like_any_collection(source: Collection, tmp_path: Path) -> None:
    (source.path / "pictures" / "ab").mkdir(parents=True)
    (source.path / "pictures" / "ab" / "sent.png").write_bytes(b"sent")
    (source.path / "nearkin.toml").write_text("ef = 99\n")
    source.clusters()
    steps: list[tuple[int, int]] = []
    made = source.backup(tmp_path / "deep" / "b", progress=lambda *step: steps.append(step))
    assert (made.path, made.items, made.vectors, made.change) == (str(tmp_path / "deep/b"), 200, 200, source.change())
    assert made.bytes > 0
    assert steps[-1][0] == steps[-1][1] > 0
    assert list_names(tmp_path / "deep" / "b") == ["catalogue.sqlite", "nearkin.toml", "pictures"]
    assert list_names(tmp_path / "deep") == ["b"]
    with Collection.open(made.path) as copy:
        assert (copy.count(), copy.change(), copy.get("k7").metadata) == (200, made.change, {"n": 7})
        assert [hit.key for hit in copy.search(item="k7", k=5)] == [hit.key for hit in source.search(item="k7", k=5)]
        assert copy.info().settings["ef"] == 99
        assert (copy.path / "pictures" / "ab" / "sent.png").read_bytes() == b"sent"
        assert copy.verify().ok


def test_what_is_acknowledged_before_is_in_a_backup_that_is_made_while_others_write(
    source: Collection, tmp_path: Path
) -> None:
    over, known = threading.Event(), [source.change()]

    def write() -> None:
        while not over.is_set():
            known.append(source.add_vectors(vectors(3, len(known)), catch_up=False).change)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(4):
            acknowledged = known[-1]
            made = source.backup(tmp_path / f"b{number}")
            assert made.change >= acknowledged
            with Collection.open(made.path) as copy:
                assert (copy.change(), copy.count()) == (made.change, made.items)
    finally:
        over.set()
        writer.join()


def test_a_backup_is_never_replaced_without_being_told(source: Collection, tmp_path: Path) -> None:
    source.backup(tmp_path / "b")
    source.remove(["k1"])
    with pytest.raises(UsageError, match=r"there is a backup in .* already; .*overwrite"):
        source.backup(tmp_path / "b")
    with Collection.open(tmp_path / "b") as copy:
        assert copy.count() == 200
    assert source.backup(tmp_path / "b", overwrite=True).items == 199
    with Collection.open(tmp_path / "b") as copy:
        assert copy.count() == 199
    assert list_names(tmp_path) == ["b", "c"]


def test_what_is_no_backup_of_this_collection_is_left_alone(source: Collection, tmp_path: Path) -> None:
    Collection.open(tmp_path / "other", create=True).close()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").touch()
    (tmp_path / "file").touch()
    for name, words in {
        "other": "holds another collection",
        "full": "is there already and is no backup",
        "file": "is there already and is no backup",
        "c": "would lie in the collection",
        "c/in": "would lie in the collection",
        ".": "would lie in the collection",
    }.items():
        with pytest.raises(UsageError, match=words):
            source.backup(tmp_path / name, overwrite=True)
    (tmp_path / "empty").mkdir()
    assert source.backup(tmp_path / "empty").items == 200


KILLED = """
import os, sys
from retrieval import Collection
collection = Collection.open(sys.argv[1])
collection.backup(sys.argv[2], progress=lambda done, total: os._exit(9))
"""


def test_a_killed_backup_leaves_nothing_that_looks_like_one(
    source: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    done = subprocess.run([sys.executable, "-c", KILLED, str(source.path), str(place / "b")], check=False)
    assert done.returncode == 9
    assert not [path for path in place.rglob("*") if path.name == database.FILE]
    (left,) = list_names(place)
    assert left.startswith(".b.")
    source.backup(place / "b")
    assert list_names(place) == ["b"]  # what was left is swept up

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        source.backup(place / "b2", progress=interrupt)
    monkeypatch.setattr(backup, "_check_copy", interrupt)
    with pytest.raises(KeyboardInterrupt):
        source.backup(place / "b3")
    assert list_names(place) == ["b"]


def test_a_damaged_database_is_not_backed_up(source: Collection, tmp_path: Path) -> None:
    source.add_vectors(np.random.default_rng(5).standard_normal((3000, 8)), catch_up=False)
    source.close()
    data = bytearray((source.path / database.FILE).read_bytes())
    for start in range(44 * database.PAGE_SIZE, len(data), 4 * database.PAGE_SIZE):
        data[start : start + 200] = b"\xff" * 200
    (source.path / database.FILE).write_bytes(data)
    damaged = Catalogue.open(source.path)
    with pytest.raises(CatalogueDamaged):
        backup.back_up_catalogue(damaged, tmp_path / "b")
    damaged.close()
    assert list_names(tmp_path) == ["c"]


def test_a_copy_that_holds_less_is_not_kept(
    source: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = backup.Facts.of
    monkeypatch.setattr(backup.Facts, "of", lambda snapshot: facts(snapshot)._replace(change=len(os.listdir(tmp_path))))
    (tmp_path / "x").mkdir()
    original = backup._copy_database

    def lose(*arguments: Any) -> None:
        original(*arguments)
        (tmp_path / "y").mkdir()

    monkeypatch.setattr(backup, "_copy_database", lose)
    with pytest.raises(CatalogueDamaged, match="it was not kept"):
        source.backup(tmp_path / "x" / "b")
    assert list_names(tmp_path / "x") == []


def test_a_disk_without_room_is_told_before(
    source: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10))
    with pytest.raises(WriteFailed, match=r"the backup needs [\d,]+ bytes, and the disk of .* has room for 10"):
        source.backup(tmp_path / "b")
    assert list_names(tmp_path) == ["c"]


def test_a_folder_that_can_not_be_written_is_said(source: Collection, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteFailed, match=r"cannot write the backup .*\. It was not made"):
        source.backup(tmp_path / "file" / "b")


def test_what_may_only_be_read_can_be_backed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(vectors(5))
    with monkeypatch.context() as patch:
        patch.setattr(read_only, "can_write", lambda _: False)
        with Collection.open(tmp_path / "c") as collection:
            collection.backup(tmp_path / "b")
    with Collection.open(tmp_path / "b") as copy:
        assert copy.count() == 5
