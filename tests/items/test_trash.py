"""Removed items: they answer nothing, come back as they were, and leave no byte when they are deleted for good."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from indexers.errors import ItemNotFound, UsageError
from retrieval import Collection
from tests.conftest import vectors

DAYS = 24 * 3600


def read_everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_what_is_removed_answers_nothing_and_comes_back_as_it_was(filled: Collection, folder: Path) -> None:
    filled.update(1, {"place": "Oslo"}, text="a harbour")
    before, vector = filled.get(1), filled.vectors(1)[1]
    assert filled.remove(1) == 1
    assert filled.count() == 4
    for answer in (filled.search(vector=vector), filled.search(query="harbour"), filled.items(where={"place": "Oslo"})):
        assert 1 not in [getattr(row, "item", getattr(row, "id", None)) for row in answer]
    with pytest.raises(ItemNotFound):
        filled.get(1)
    (removed,) = filled.trash()
    assert (removed.id, removed.key, removed.uri) == (1, before.key, before.uri)
    assert (removed.text, removed.metadata) == ("a harbour", before.metadata)
    assert removed.kept_until[:10] > removed.removed_at[:10]

    assert filled.restore(before.uri or "") == 1
    assert filled.get(1) == before
    assert filled.trash() == ()
    assert np.array_equal(filled.vectors(1)[1], vector)
    assert filled.search(vector=vector, k=1)[0].item == 1
    assert [hit.item for hit in filled.search(query="harbour")] == [1]
    assert [item.id for item in filled.items(where={"place": "Oslo"})] == [1]
    assert filled.verify().problems == ()
    assert filled.add(folder).known == 5


def test_clusters_keep_their_ids_and_names(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = np.repeat(np.eye(4, 8, dtype=np.float32), 15, axis=0) + random.normal(0, 0.02, (60, 8)).astype(np.float32)
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(rows, keys=[f"v{number}" for number in range(60)])
        cluster = next(cluster for cluster in collection.clusters("medium") if cluster.size == 15)
        collection.rename(cluster.id, "birds")
        members = [item.id for item in collection.walk() if cluster.id in item.clusters]
        assert collection.remove(members) == 15
        assert cluster.id not in [row.id for row in collection.clusters("medium")]
        assert collection.restore(members) == 15
        restored = collection.cluster(cluster.id)
        assert (restored.name, restored.size) == ("birds", 15)
        assert "restored" in [event.what for event in collection.cluster_events(0)]
        assert collection.verify().problems == ()


def test_names_that_are_not_there_or_taken_are_said(filled: Collection, folder: Path) -> None:
    key = filled.get(1).key
    filled.remove(1)
    with pytest.raises(ItemNotFound, match="there is no removed item with the id 2"):
        filled.restore([1, 2])
    with pytest.raises(ItemNotFound, match="there is no removed item"):
        filled.empty_trash("nobody")
    filled.add(folder)
    with pytest.raises(UsageError, match=rf"item 1 can't be restored: its key '{key}' is that of item 6 now"):
        filled.restore(1)
    filled.remove(6)
    with pytest.raises(UsageError, match="several removed items have the key"):
        filled.restore([1, 6])
    assert filled.restore(key) == 1
    assert filled.get(key).id == 6


def test_a_file_that_shows_another_picture_since_is_not_that_of_the_restored_item(
    filled: Collection, folder: Path
) -> None:
    uri = filled.get(1).uri or ""
    filled.remove(1)
    other = next(path for path in folder.glob("*.png") if str(path) != uri)
    Path(uri).write_bytes(other.read_bytes())
    filled.add(folder)
    filled.restore(1)
    assert filled.get(1).missing
    assert filled.verify().problems == ()


@pytest.mark.parametrize("index", ["hnsw", "usearch", "faiss", "rabitq"])
def test_nothing_of_what_is_deleted_for_good_stays_on_disk(tmp_path: Path, index: str) -> None:
    place, rows = tmp_path / "c", vectors(40)
    metadata = [{"secret": f"quetzalcoatl{number}"} for number in range(40)]
    with Collection.open(place, create=True, index=index, scan_below=0, save_changes=1, ef=64) as collection:
        collection.add_vectors(rows, keys=[f"key-of-{number}" for number in range(40)], metadata=metadata)
        stored = collection.vectors("key-of-7")
        collection.remove(["key-of-7"])
        assert b"quetzalcoatl7" in read_everything(place)
        assert collection.empty_trash() == 1
        assert collection.trash() == ()
        content = read_everything(place)
        assert b'quetzalcoatl7"' not in content
        assert b"key-of-7\x00" not in content
        assert b"quetzalcoatl8" in content
        collection.verify()
    content = read_everything(place)
    (vector,) = stored.values()
    unit = (vector / np.linalg.norm(vector)).astype("<f4")
    assert vector.astype("<f4").tobytes()[:16] not in content
    assert unit.tobytes()[:16] not in content
    with Collection.open(place, index=index, scan_below=0) as collection:
        assert len(collection.search(vector=rows[7], k=39)) == 39
        assert collection.verify().problems == ()


def test_removed_items_are_deleted_when_their_days_are_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, now = tmp_path / "c", time.time
    with Collection.open(place, create=True, trash_days=2) as collection:
        collection.add_vectors(vectors(5))
        collection.remove([1, 2])
        monkeypatch.setattr(time, "time", lambda: now() + 1.5 * DAYS)
        collection.remove(3)
        assert [item.id for item in collection.trash()] == [3, 1, 2]
        monkeypatch.setattr(time, "time", lambda: now() + 2.5 * DAYS)
        assert [item.id for item in collection.trash()] == [3]
        with pytest.raises(ItemNotFound):
            collection.restore(1)
    with Collection.open(place, trash_days=2) as collection, collection._catalogue.snapshot() as snapshot:
        assert [row.id for row in snapshot.trash.rows()] == [3]


def test_without_days_and_with_purge_nothing_is_kept(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, trash_days=0) as collection:
        collection.add_vectors(vectors(5))
        thumbnail = collection.path / "thumbnails" / "ab" / "ab-160.webp"
        thumbnail.parent.mkdir(parents=True)
        thumbnail.write_bytes(b"RIFF")
        assert collection.remove([1, 2]) == 2
        assert collection.trash() == ()
        assert thumbnail.exists()  # of another picture
        assert collection.verify().problems == ()
    with Collection.open(tmp_path / "c") as collection:
        assert collection.remove(4, purge=True) == 1
        assert collection.trash() == ()
        assert collection.remove(where={"id": 3}) == 1
        assert [item.id for item in collection.trash()] == [3]


def test_thumbnails_and_pictures_that_were_sent_go_with_the_item_others_stay(filled: Collection, folder: Path) -> None:
    first, second = filled.get([1, 2])
    for item in (first, second):
        thumbnail = filled.path / "thumbnails" / str(item.hash)[:2] / f"{item.hash}-160.webp"
        thumbnail.parent.mkdir(parents=True, exist_ok=True)
        thumbnail.write_bytes(b"RIFF")
    filled.remove([1, 2])
    filled.empty_trash(1)
    assert [path.name for path in (filled.path / "thumbnails").rglob("*.webp")] == [f"{second.hash}-160.webp"]
    assert len(list(folder.glob("*.png"))) == 5


@pytest.mark.parametrize("days", [365_000, 1e300])
def test_removed_items_may_be_kept_for_ever(tmp_path: Path, days: float) -> None:
    with Collection.open(tmp_path / "c", create=True, trash_days=days) as collection:
        collection.add_vectors(vectors(3))
        collection.remove(1)
        assert collection.trash()[0].kept_until.startswith("30")
        assert collection.restore(1) == 1
