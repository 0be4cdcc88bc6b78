"""The collection, as a user holds it: every public method, on empty and on filled ones, and what is refused."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexers.embedders.tiny import Tiny
from indexers.errors import (
    BadFilter,
    BadMetadata,
    BadQuery,
    BadSetting,
    BadVector,
    CollectionNotFound,
    ItemNotFound,
    NoTextTower,
    UnknownPlugin,
    UnreadablePicture,
    UsageError,
    WriterBusy,
)
from indexers.types import Vectors
from retrieval import Collection
from tests.conftest import COLOURS, vectors
from tests.support import pictures

# ---- opening


def test_what_is_not_there_is_made_only_when_asked(tmp_path: Path) -> None:
    with pytest.raises(CollectionNotFound, match="there is no collection in"):
        Collection.open(tmp_path / "c")
    with Collection.open(tmp_path / "c", create=True) as made:
        assert made.path == tmp_path / "c"
    Collection.open(tmp_path / "c").close()


def test_a_path_may_begin_at_home_and_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Collection.open("~/c", create=True).close()
    with Collection.open("c") as found:
        assert found.path == tmp_path / "c"


@pytest.mark.parametrize("settings", [{"embedder": "nobody"}, {"efff": 1}, {"ef": -1}, {"metric": 3}])
def test_what_can_not_be_opened_is_not_made(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises((UnknownPlugin, BadSetting)):
        Collection.open(tmp_path / "c", create=True, **settings)
    assert not (tmp_path / "c").exists()


def test_the_embedder_is_remembered_before_the_first_picture(tmp_path: Path, folder: Path) -> None:
    Collection.open(tmp_path / "c", create=True, embedder="tiny").close()
    with Collection.open(tmp_path / "c") as found:
        found.add(folder)
        assert found.info().embedder == "tiny"
    with pytest.raises(BadSetting, match=r"'tiny'|'classic'"):
        Collection.open(tmp_path / "c", embedder="classic")
    Collection.open(tmp_path / "c", embedder="tiny").close()


def test_a_collection_without_pictures_takes_another_embedder(tmp_path: Path, folder: Path) -> None:
    """Else one whose weights could not be had would be in the way for good."""
    Collection.open(tmp_path / "c", create=True, embedder="resnet18").close()
    with Collection.open(tmp_path / "c", embedder="tiny") as found:
        found.add(folder)
        assert found.info().embedder == "tiny"


def test_ready_made_vectors_have_no_embedder(ready_made: Collection, folder: Path) -> None:
    assert ready_made.info().embedder is None
    for use in (lambda: ready_made.add(folder), lambda: ready_made.search(folder / "red.png")):
        with pytest.raises(BadQuery, match="holds ready-made vectors and has no embedder"):
            use()
    with pytest.raises(BadSetting, match="no embedder"):
        Collection.open(ready_made.path, embedder="tiny")


def test_its_repr_says_where_it_is(ready_made: Collection) -> None:
    assert repr(ready_made) == f"<Collection {str(ready_made.path)!r} (vectors)>"


# ---- an empty one


def test_an_empty_collection_answers_everything(collection: Collection, tmp_path: Path, folder: Path) -> None:
    assert list(collection.search(folder / "red.png")) == []
    assert list(collection.search(vector=[1, 2], radius=0.5)) == []
    with pytest.raises(BadQuery, match="empty"):
        collection.search_many(vectors(2))
    assert collection.items().items == ()
    assert collection.count() == collection.count(where={"x": 1}) == 0
    assert collection.remove(where={}) == 0
    assert collection.get([]) == []
    assert collection.failures() == []
    assert collection.catch_up() == 0
    assert collection.verify().ok
    assert collection.export(tmp_path / "items.csv") == 0
    info = collection.info()
    assert (info.items, info.vectors, info.dimension, info.change) == (0, 0, None, 0)
    assert collection.add([]).added == 0
    assert collection.retry_failed().added == 0
    for ask in (
        lambda: collection.get(1),
        lambda: collection.update("a", {}),
        lambda: collection.remove(5),
    ):
        with pytest.raises(ItemNotFound):
            ask()


@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        ({}, BadQuery),
        ({"vector": [1.0], "item": 3}, BadQuery),
        ({"vector": [1.0], "k": 0}, BadQuery),
        ({"vector": [1.0], "where": {"$x": 1}}, BadFilter),
        ({"vector": [1.0], "radius": "wide"}, BadQuery),
        ({"vector": [1.0], "diversify": 2}, BadQuery),
    ],
)
def test_an_empty_collection_asks_as_strictly(collection: Collection, ask: dict[str, Any], kind: type) -> None:
    with pytest.raises(kind):
        collection.search(**ask)


# ---- adding pictures


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


# ---- adding vectors


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


# ---- sync


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


# ---- getting and changing


def test_items_are_got_by_any_name(filled: Collection, folder: Path) -> None:
    red = filled.get(str(folder / "red.png"))
    assert filled.get(red.id) == filled.get(red.key) == filled.get(np.int64(red.id)) == red
    assert filled.get([red.id, red.key]) == [red, red]
    assert filled.get(np.array([red.id])) == [red]
    assert (red.hash, red.format, red.missing, red.bytes) == (
        red.key,
        "PNG",
        False,
        os.stat(folder / "red.png").st_size,
    )


@pytest.mark.parametrize("name", ["nobody", 99, -1, 2**70, "\ud800", ""])
def test_what_is_not_there_is_said(filled: Collection, name: Any) -> None:
    for use in (filled.get, filled.remove, lambda one: filled.search(item=one), lambda one: filled.update(one, {})):
        with pytest.raises(ItemNotFound, match="there is no item"):
            use(name)


def test_pages_cover_everything_once(ready_made: Collection) -> None:
    keys, cursor = [], None
    while True:
        page = ready_made.items(where={"even": True}, cursor=cursor, limit=3)
        keys += [item.key for item in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert keys == [f"n{number}" for number in range(0, 20, 2)]
    with pytest.raises(UsageError, match="limit"):
        ready_made.items(limit=0)


def test_update_merges_replaces_and_is_searched_at_once(ready_made: Collection) -> None:
    assert ready_made.update("n3", {"stars": 5}).metadata == {"number": 3, "even": False, "stars": 5}
    assert [hit.key for hit in ready_made.search(vector=vectors(1)[0], where={"stars": 5})] == ["n3"]
    assert ready_made.update("n3", {"a": 1}, replace=True, text="t").metadata == {"a": 1}
    assert ready_made.get("n3").text == "t"
    assert ready_made.count(where={"number": 3}) == 0
    with pytest.raises(BadMetadata):
        ready_made.update("n3", {"a": {1}})
    with pytest.raises(UsageError):
        ready_made.update("n3", text="\ud800")


def test_remove_by_name_filter_or_both(ready_made: Collection, folder: Path) -> None:
    assert ready_made.remove("n0") == 1
    assert ready_made.remove(["n1", ready_made.get("n2").id, "n1"]) == 2
    assert ready_made.remove(["n3", "n4"], where={"even": True}) == 1
    assert ready_made.remove(where={"number": {"$lt": 10}}) == 6
    assert ready_made.remove([]) == 0
    assert [item.key for item in ready_made.items().items] == [f"n{number}" for number in range(10, 20)]
    with pytest.raises(UsageError, match="to remove everything"):
        ready_made.remove()
    assert ready_made.remove(where={}) == 10
    assert list(ready_made.search(vector=vectors(1)[0])) == []


def test_removing_one_that_is_not_there_removes_nothing(ready_made: Collection) -> None:
    with pytest.raises(ItemNotFound, match="nobody"):
        ready_made.remove(["n1", "nobody"])
    assert ready_made.count() == 20


def test_files_are_never_touched(filled: Collection, folder: Path) -> None:
    filled.remove(where={})
    assert len(list(folder.glob("*.png"))) == 5


# ---- asking


def test_search_says_as_of_which_change(ready_made: Collection) -> None:
    hits = ready_made.search(vector=vectors(1)[0])
    assert hits.as_of == ready_made.info().change
    ready_made.add_vectors(vectors(1, 7))
    assert ready_made.search(vector=vectors(1)[0]).as_of == hits.as_of + 2


def test_search_many_gives_arrays(ready_made: Collection) -> None:
    answer = ready_made.search_many(vectors(20), k=3)
    assert answer.ids.shape == answer.scores.shape == (20, 3)
    assert answer.ids[:, 0].tolist() == list(range(1, 21))
    narrow = ready_made.search_many(vectors(20), k=30, where={"number": 4})
    assert narrow.ids[:, 0].tolist() == [5] * 20
    assert (narrow.ids[:, 1:] == -1).all()
    for bad in (0, -1, True, 2.5):
        with pytest.raises(BadQuery):
            ready_made.search_many(vectors(1), k=bad)
    with pytest.raises(BadVector):
        ready_made.search_many(vectors(1, dimension=3))


@pytest.mark.parametrize("query", [b"no picture", "no/such/file.png", b""])
def test_a_query_that_is_no_picture_is_named(filled: Collection, query: Any) -> None:
    with pytest.raises(UnreadablePicture, match="can't be used as a picture"):
        filled.search(query)


@pytest.mark.parametrize("query", [5, 2.5, {"a": 1}, object(), np.zeros((3, 3, 3, 3), np.uint8), np.zeros((2, 2))])
def test_a_query_that_could_not_be_one_is_refused(filled: Collection, query: Any) -> None:
    with pytest.raises(BadQuery):
        filled.search(query)


def test_words_need_an_embedder_that_reads(filled: Collection) -> None:
    with pytest.raises(NoTextTower, match="'tiny' reads pictures only"):
        filled.search(text="a red disc")
    with pytest.raises(BadQuery, match="empty"):
        filled.search(text=" ")


# ---- several at once


def test_what_one_adds_another_finds(tmp_path: Path) -> None:
    with (
        Collection.open(tmp_path / "c", create=True) as first,
        Collection.open(tmp_path / "c") as second,
    ):
        assert list(second.search(vector=[1.0, 0.0])) == []
        first.add_vectors([[1.0, 0.0]], keys=["a"])
        assert [hit.key for hit in second.search(vector=[1.0, 0.0])] == ["a"]
        second.add_vectors([[0.0, 1.0]], keys=["b"])
        first.update("b", {"x": 1})
        assert [hit.key for hit in first.search(vector=[0.0, 1.0], k=1, where={"x": 1})] == ["b"]
        second.remove("a")
        assert [hit.key for hit in first.search(vector=[1.0, 0.0])] == ["b"]
        assert first.verify().ok
        assert second.verify().ok


def test_threads_read_while_one_writes(tmp_path: Path) -> None:
    faults: list[BaseException] = []
    done = threading.Event()

    def read(collection: Collection) -> None:
        try:
            while not done.is_set():
                hits = collection.search(vector=vectors(1)[0], k=5)
                assert len(hits) == len({hit.item for hit in hits})
                assert len(collection.get([hit.item for hit in hits if hit.item <= 50])) <= 5
        except BaseException as error:
            faults.append(error)

    with Collection.open(tmp_path / "c", create=True, scan_below=10) as collection:
        collection.add_vectors(vectors(50), keys=[f"k{n}" for n in range(50)])
        threads = [threading.Thread(target=read, args=(collection,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for turn in range(15):
            collection.add_vectors(vectors(50, turn + 1), keys=[f"t{turn}.{n}" for n in range(50)])
            collection.remove([f"t{turn}.{n}" for n in range(25)])
        done.set()
        for thread in threads:
            thread.join()
        assert not faults
        assert collection.verify().ok


def test_another_writer_is_waited_for_and_then_named(ready_made: Collection) -> None:
    with (
        Collection.open(ready_made.path, wait=0.1) as other,
        ready_made._catalogue.transaction(),
        pytest.raises(WriterBusy, match=f"process {os.getpid()}"),
    ):
        other.update("n1", {"x": 1})


# ---- keeping


def test_it_is_the_same_when_it_is_opened_again(filled: Collection, folder: Path) -> None:
    before = filled.search(folder / "red.png").to_dict()
    filled.close()
    with Collection.open(filled.path) as again:
        assert again.search(folder / "red.png").to_dict() == before
        assert again.info().repairs == ()


def test_it_may_be_closed_twice(ready_made: Collection) -> None:
    ready_made.close()
    ready_made.close()


def test_derived_files_may_be_deleted_at_any_time(ready_made: Collection) -> None:
    before = ready_made.search(vector=vectors(1)[0]).to_dict()
    ready_made.close()
    shutil.rmtree(ready_made.path / "spaces")
    with Collection.open(ready_made.path) as again:
        assert again.search(vector=vectors(1)[0]).to_dict() == before
        assert any("lost its file" in one for one in again.info().repairs)


def test_info_counts_bytes_on_disk(filled: Collection) -> None:
    info = filled.info()
    assert info.bytes >= (filled.path / "catalogue.sqlite").stat().st_size
    assert (info.items, info.vectors, info.locations, info.dimension, info.metric) == (5, 5, 5, 13, "cosine")
    assert info.to_dict()["items"] == 5


def test_an_array_is_a_query(filled: Collection, folder: Path) -> None:
    with Image.open(folder / "red.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    [hit] = filled.search(pixels, k=1)
    assert hit.metadata == {"colour": "red"}


# ---- documents of other systems


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


def test_many_are_updated_at_once(ready_made: Collection) -> None:
    assert ready_made.update_all({"seen": True}, where={"even": True}) == 10
    assert ready_made.count(where={"seen": True, "even": True}) == 10
    assert ready_made.get("n4").metadata == {"number": 4, "even": True, "seen": True}
    with pytest.raises(BadMetadata):
        ready_made.update_all({"seen": {1}}, where={})


def test_variety_is_chosen_from_a_pool(ready_made: Collection) -> None:
    asked = vectors(1, 5)[0]
    nearest = [hit.key for hit in ready_made.search(vector=asked, k=6)]
    found = [hit.key for hit in ready_made.search(vector=asked, k=6, diversify=0.9, pool=6)]
    assert sorted(found) == sorted(nearest)
    assert found != nearest
    for bad in ({"pool": 0, "diversify": 0.5}, {"pool": 5}):
        with pytest.raises(BadQuery, match="pool"):
            ready_made.search(vector=asked, **bad)
