"""Putting pictures, vectors and texts into a collection, and keeping folders in step with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.embedders.tiny import Tiny
from indexers.errors import BadMetadata, BadVector, ItemNotFound, NoTextTower, UsageError
from indexers.types import Vectors
from retrieval import Collection
from tests.conftest import COLOURS, vectors
from tests.support import pictures


def test_adding_a_folder(collection: Collection, folder: Path) -> None:
    report = collection.add(folder, metadata={"album": "discs"})
    assert (report.added, report.known, report.failed, report.replaced) == (5, 0, 0, 0)
    assert report.change == 10
    again = collection.add(folder)
    assert (again.added, again.known, again.change) == (0, 5, 10)
    assert collection.count(where={"album": "discs", "format": "PNG", "width": 160, "height": 120}) == 5


def test_ids_follow_the_order_of_files(collection: Collection, folder: Path) -> None:
    collection.add(folder)
    assert [os.path.basename(item.uri or "") for item in collection.items().items] == sorted(
        f"{colour}.png" for colour in COLOURS
    )


def test_items_of_what_was_given_one_by_one_come_in_its_order(collection: Collection, folder: Path) -> None:
    files = [folder / f"{colour}.png" for colour in ("red", "blue", "red")]
    report = collection.add(files, metadata=[{"n": 1}, {"n": 2}, {"n": 3}])
    assert len(report.items) == 3
    assert report.items[0] == report.items[2] != report.items[1]
    assert collection.get(report.items[0]).metadata == {"n": 3}


def test_pictures_bytes_and_keys(collection: Collection) -> None:
    red, blue = pictures.disc("red"), pictures.disc("blue")
    report = collection.add([red, pictures.encoded(blue, "PNG")], keys=["r", "b"], texts=["a red disc", None])
    assert report.added == 2
    assert collection.get("r").text == "a red disc"
    assert collection.get("b").format == "PNG"
    assert [hit.key for hit in collection.search(red, k=1)] == ["r"]
    again = collection.add([red, red], keys=["r", "b"])
    assert (again.added, again.known, again.replaced) == (0, 1, 1)
    assert [hit.score for hit in collection.search(red, k=2)] == pytest.approx([1, 1])


def test_the_same_key_twice_ends_with_the_last(collection: Collection) -> None:
    for first, last in (("red", "blue"), ("blue", "red"), ("blue", "red")):
        collection.add([pictures.disc(first), pictures.disc(last)], keys=["k", "k"])
        [hit] = collection.search(pictures.disc(last), k=1)
        assert hit.score == pytest.approx(1)
        assert collection.get("k").width == 160
    assert collection.count() == 1


def test_a_second_path_to_the_same_bytes_is_a_second_place(collection: Collection, folder: Path) -> None:
    collection.add(folder)
    shutil.copy(folder / "red.png", folder / "again.png")
    report = collection.add(folder)
    assert (report.added, report.known) == (0, 6)
    assert [os.path.basename(uri) for uri in collection.get(str(folder / "red.png")).uris] == ["red.png", "again.png"]


def test_a_file_that_changed_is_a_new_item_that_inherits(filled: Collection, folder: Path) -> None:
    old = filled.get(str(folder / "red.png"))
    pictures.disc("orange").save(folder / "red.png")
    report = filled.add(folder)
    assert (report.added, report.known) == (1, 4)
    new = filled.get(str(folder / "red.png"))
    assert new.id > old.id
    assert new.metadata == {"colour": "red"}
    with pytest.raises(ItemNotFound):
        filled.get(old.id)


def test_files_that_change_names_keep_their_items(filled: Collection, folder: Path) -> None:
    before = {item.key: item for item in filled.items().items}
    (folder / "red.png").rename(folder / "tmp")
    (folder / "blue.png").rename(folder / "red.png")
    (folder / "tmp").rename(folder / "blue.png")
    for name in ("red.png", "blue.png"):
        os.utime(folder / name, (1, 1))
    report = filled.add(folder)
    assert (report.added, report.known, report.failed) == (0, 5, 0)
    after = {item.key: item for item in filled.items().items}
    assert {key: item.id for key, item in after.items()} == {key: item.id for key, item in before.items()}
    assert filled.get(str(folder / "red.png")).metadata == {"colour": "blue"}
    assert filled.verify().ok


def test_metadata_goes_to_what_is_known_too(filled: Collection, folder: Path) -> None:
    filled.add(folder, metadata={"colour": "any", "year": 2024})
    assert filled.count(where={"colour": "any", "year": 2024}) == 5


def test_failures_are_entered_and_tried_again_when_told_or_changed(collection: Collection, folder: Path) -> None:
    broken = folder / "broken.png"
    broken.write_bytes(b"no picture")
    report = collection.add(folder)
    assert (report.added, report.failed, report.failed_before) == (5, 1, 0)
    assert report.failures[0].uri == str(broken)
    again = collection.add(folder)
    assert (again.failed, again.failed_before, collection.failures()[0].attempts) == (1, 1, 1)
    collection.add(folder, retry_failed=True)
    assert collection.retry_failed().failed == 1
    assert collection.failures()[0].attempts == 3
    pictures.disc("pink").save(broken)
    assert collection.add(folder).added == 1
    assert collection.failures() == []


def test_retrying_forgets_what_is_gone(collection: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "broken.png").write_bytes(b"no picture")
    monkeypatch.chdir(folder)
    collection.add(folder)
    collection.add([b"no picture either"], keys=["red.png"])  # a key, called as a file is
    (folder / "broken.png").unlink()
    report = collection.retry_failed()
    assert (report.added, report.failed) == (0, 0)
    assert collection.failures() == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (([1, 2],), "number 0 is a int"),
        (([None],), "NoneType"),
        ((["a.png", 3.5],), "number 1 is a float"),
    ],
)
def test_what_is_no_picture_is_refused(collection: Collection, given: tuple[Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        collection.add(*given)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"keys": ["a", "b"]}, UsageError),
        ({"keys": [""]}, UsageError),
        ({"keys": ["a\nb"]}, UsageError),
        ({"keys": [5]}, UsageError),
        ({"keys": "k"}, UsageError),
        ({"texts": []}, UsageError),
        ({"texts": [5]}, UsageError),
        ({"texts": ["\ud800"]}, UsageError),
        ({"metadata": [{}, {}]}, UsageError),
        ({"metadata": {"a": float("nan")}}, BadMetadata),
        ({"metadata": "album"}, UsageError),
        ({"metadata": [{"a": {1}}]}, BadMetadata),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    collection: Collection, options: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        collection.add([pictures.disc()], **options)
    assert (collection.count(), collection.info().change) == (0, 0)


def test_a_picture_over_the_limit_is_a_failure(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder="tiny", max_pixels=1000) as collection:
        report = collection.add([pictures.disc(), pictures.disc(size=(20, 20))], keys=["large", "small"])
        assert (report.added, report.failed) == (1, 1)
        assert "pixels" in report.failures[0].reason


def test_progress_is_told(collection: Collection, folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"no picture")
    seen: list[Any] = []
    collection.add(folder, progress=seen.append)
    assert (seen[0].done, seen[0].total) == (0, 6)
    assert [one.done for one in seen] == sorted(one.done for one in seen)
    last = seen[-1]
    assert (last.done, last.total, last.added, last.failed) == (6, 6, 5, 1)
    assert last.rate > 0
    assert last.left == 0


def test_vectors_are_replaced_by_key(ready_made: Collection) -> None:
    new = vectors(2, seed=9)
    report = ready_made.add_vectors(new, keys=["n3", "other"], metadata={"late": True})
    assert (report.added, report.replaced) == (1, 1)
    assert ready_made.get("n3").metadata == {"number": 3, "even": False, "late": True}
    assert [hit.key for hit in ready_made.search(vector=new[0], k=1)] == ["n3"]
    assert ready_made.count() == 21


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.full((1, 8), np.nan), "vector 0 holds nan"),
        ([[1.0] * 7 + [np.inf]], "vector 0 holds inf"),
        (np.zeros((2, 8)), "vector 0 is all zeros"),
        (np.ones((1, 9)), "the vectors have 9 coordinates; this collection's have 8"),
        ([[1.0], [1.0, 2.0]], "rows of one length"),
        ([["a"] * 8], "must be numbers"),
        (np.ones((1, 1, 8)), "3 axes"),
    ],
)
def test_bad_vectors_are_refused_and_nothing_is_written(ready_made: Collection, given: Any, words: str) -> None:
    before = ready_made.info().change
    with pytest.raises(BadVector, match=words):
        ready_made.add_vectors(given)
    assert ready_made.info().change == before


def test_bad_vectors_make_no_space(collection: Collection, tmp_path: Path) -> None:
    with Collection.open(tmp_path / "v", create=True) as empty:
        with pytest.raises(BadVector):
            empty.add_vectors([[0.0, 0.0]])
        assert empty.info().space is None
        empty.add_vectors([[1.0, 0.0, 0.0]])
        assert empty.info().dimension == 3


@pytest.mark.parametrize("uris", [["a"], ["\ud800", "b"], [5, "b"], ["a\0b", "c"]])
def test_uris_are_texts_one_each(ready_made: Collection, uris: Any) -> None:
    with pytest.raises(UsageError, match="uris"):
        ready_made.add_vectors(vectors(2), uris=uris)


def test_no_vectors_are_no_work(ready_made: Collection) -> None:
    assert ready_made.add_vectors(np.empty((0, 8))).added == 0
    assert ready_made.add_vectors([]).added == 0


def test_vectors_may_be_added_to_pictures(filled: Collection) -> None:
    filled.add_vectors(vectors(1, dimension=13), keys=["from elsewhere"], uris=["https://example.org/a.jpg"])
    assert filled.get("https://example.org/a.jpg").key == "from elsewhere"
    assert filled.count() == 6


def test_sync_adds_marks_and_welcomes_back(collection: Collection, folder: Path) -> None:
    assert collection.sync(folder).added == 5
    away = folder.parent / "red.png"
    (folder / "red.png").rename(away)
    report = collection.sync(folder)
    assert (report.known, report.missing, report.returned) == (4, 1, 0)
    assert collection.count(where={"missing": True}) == 1
    assert len(collection.search(away, k=1)) == 1  # it stays until it is removed
    assert collection.sync(folder).missing == 0
    away.rename(folder / "red.png")
    assert (collection.sync(folder).returned, collection.count(where={"missing": True})) == (1, 0)


def test_sync_leaves_other_folders_alone(collection: Collection, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "pictures and more"
    shutil.copytree(folder, other)
    collection.add([folder, other])
    shutil.rmtree(other)
    assert collection.sync(folder).missing == 0
    with pytest.raises(UsageError, match="does not exist; a missing folder"):
        collection.sync(other)
    assert collection.count(where={"missing": True}) == 0


def test_what_lies_in_a_folder_that_can_not_be_entered_is_not_missing(
    collection: Collection, folder: Path, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    shut = folder / "shut"
    shut.mkdir()
    pictures.disc("pink").save(shut / "pink.png")
    pictures.disc("cyan").save(os.fsencode(shut) + b"/\xff.png")
    with unprivileged():
        assert collection.sync(folder).added == 7
        shut.chmod(0)
        (folder / "red.png").unlink()
        report = collection.sync(folder)
        shut.chmod(0o755)
    assert (report.missing, report.failed) == (1, 1)
    assert report.failures[0].uri == str(shut)
    assert [os.path.basename(item.uri or "") for item in collection.items(where={"missing": True}).items] == ["red.png"]


def make_link(path: Path) -> None:
    path.symlink_to(path.parent / "not there")


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def make_pipe(path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("Windows has no pipes with a path")
    os.mkfifo(path)


@pytest.mark.parametrize("make", [make_link, make_loop, make_pipe, os.mkdir])
def test_a_file_in_whose_place_there_is_something_else_is_missing(
    collection: Collection, folder: Path, make: Callable[[Path], None]
) -> None:
    collection.sync(folder)
    red = folder / "red.png"
    red.rename(folder.parent / "away")
    make(red)
    assert collection.sync(folder).missing == 1
    assert collection.get(str(red)).missing
    red.rmdir() if red.is_dir() else red.unlink()
    (folder.parent / "away").rename(red)
    assert collection.sync(folder).returned == 1
    assert not collection.get(str(red)).missing


def test_a_linked_picture_whose_disk_is_away_is_missing_and_a_linked_folder_is_not(
    collection: Collection, folder: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    pictures.disc("pink").save(disk / "pink.png")
    (folder / "linked.png").symlink_to(disk / "pink.png")
    (tmp_path / "library").mkdir()
    pictures.disc("cyan").save(tmp_path / "library" / "cyan.png")
    (folder / "linked").symlink_to(tmp_path / "library")
    assert collection.sync(folder).added == 7
    disk.rename(tmp_path / "away")
    (tmp_path / "library").rename(tmp_path / "library away")
    report = collection.sync(folder)
    assert (report.missing, report.failed) == (1, 2)
    assert collection.get(str(folder / "linked.png")).missing
    assert not collection.get(str(folder / "linked" / "cyan.png")).missing


def test_names_that_are_not_utf8_are_synced_too(collection: Collection, folder: Path) -> None:
    odd = os.fsencode(folder) + b"/\xff\xfe.png"
    with open(odd, "wb") as file:
        file.write(pictures.encoded(pictures.disc("pink"), "PNG"))
    assert collection.sync(folder).added == 6
    assert collection.get(os.fsdecode(odd)).width == 160
    assert collection.sync(folder).known == 6
    os.unlink(odd)
    assert collection.sync(folder).missing == 1


def test_sync_of_a_folder_of_such_a_name(collection: Collection, tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    os.mkdir(odd)
    pictures.disc("pink").save(os.path.join(odd, "a.png"))
    pictures.disc("red").save(os.path.join(odd, "b.png"))
    assert collection.sync(odd).added == 2
    os.unlink(os.path.join(odd, "a.png"))
    assert collection.sync(odd).missing == 1


class Reading(Tiny):
    """Reads words: a text is as red as it is long."""

    name = "reading"
    supports_text = True

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        return np.array([[len(text), *[1] * 12] for text in texts], np.float32)


def test_texts_are_items_where_the_embedder_reads_words(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder=Reading()) as collection:
        texts = [f"text {'x' * n}" for n in range(70)]  # more than a batch
        report = collection.add_texts(texts, keys=[f"k{n}" for n in range(70)], metadata={"by": "me"})
        assert report.added == 70
        [best, *_] = collection.search(text=texts[7])
        assert (best.key, best.text, best.metadata) == ("k7", texts[7], {"by": "me"})
        assert collection.add_texts([]).added == 0


def test_an_embedder_of_pictures_takes_no_texts(collection: Collection) -> None:
    with pytest.raises(NoTextTower):
        collection.add_texts(["x"])
    assert collection.count() == 0


def test_items_may_get_their_vectors_later(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors([None, None], keys=["a", "b"], texts=["cats", "dogs"], metadata=[{"n": 1}, {"n": 2}])
        assert collection.count(where={"n": 2}) == 1
        assert collection.spaces() == ()
        collection.add_vectors([None, vectors(1)[0], vectors(2)[1]], keys=["c", "a", "d"], texts=["cat", None, "bird"])
        assert {hit.key for hit in collection.search(vector=vectors(1)[0])} == {"a", "d"}
        assert {hit.key for hit in collection.search(query="cats")} == {"a", "c"}
        assert collection.vectors(["a", "b"]).keys() == {collection.get("a").id}
        assert collection.vectors(["a"])[collection.get("a").id].tolist() == vectors(1)[0].tolist()
        assert collection.export(tmp_path / "all.npz") == 4
        assert collection.verify().ok
        with pytest.raises(ItemNotFound):
            collection.vectors(["nobody"])


def test_a_replaced_item_keeps_nothing(ready_made: Collection) -> None:
    item = ready_made.get("n3").id
    report = ready_made.add_vectors(vectors(1, 9), keys=["n3"], metadata={"new": True}, replace=True)
    assert (report.replaced, report.items) == (1, (item,))
    assert ready_made.get("n3").metadata == {"new": True}
    assert ready_made.search(vector=vectors(1, 9)[0], k=1)[0].key == "n3"
    ready_made.add_vectors([None], keys=["n3"], replace=True)
    assert len(ready_made.search(vector=vectors(1, 9)[0], k=20)) == 19
    assert ready_made.verify().ok


def test_a_link_out_of_the_folders_is_not_followed_when_failures_are_tried_again(
    collection: Collection, tmp_path: Path
) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for place in (inside, outside):
        place.mkdir()
        (place / "broken.png").write_bytes(b"no picture")
    collection.add([inside, outside], roots=None)
    secret = pictures.encoded(pictures.disc("red"), "PNG")
    (tmp_path / "secret.png").write_bytes(secret)
    (inside / "broken.png").unlink()
    (inside / "broken.png").symlink_to(tmp_path / "secret.png")
    (outside / "broken.png").write_bytes(pictures.encoded(pictures.disc("blue"), "PNG"))
    report = collection.retry_failed(roots=[inside])
    assert (report.added, report.failed, len(report.failures), len(report.items)) == (1, 1, 1, 1)
    assert [item.uri for item in collection.items().items] == [str(outside / "broken.png")]
    assert collection.retry_failed().added == 1  # by somebody who allows everything
