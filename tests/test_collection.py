"""The collection, as a user holds it: every public method, on empty and on filled ones, and what is refused."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexers.errors import (
    BadFilter,
    BadQuery,
    BadSetting,
    BadVector,
    CollectionNotFound,
    ItemNotFound,
    NearkinError,
    NoTextTower,
    NotFound,
    UnknownPlugin,
    UnreadablePicture,
    UsageError,
    WriterBusy,
)
from retrieval import Collection
from tests.conftest import vectors

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


@pytest.mark.parametrize("path", ["", 3, None, b"c", "a\0b"])
def test_what_is_no_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="path is "):
        Collection.open(path, create=True)
    assert not list(tmp_path.iterdir())


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


def test_an_array_is_a_query(filled: Collection, folder: Path) -> None:
    with Image.open(folder / "red.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    [hit] = filled.search(pixels, k=1)
    assert hit.metadata == {"colour": "red"}


def test_a_collection_is_not_pickled_and_says_what_to_pass_on(ready_made: Collection) -> None:
    for dump in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"can't be pickled or copied, .* open it there: Collection\.open"):
            dump(ready_made)


def test_numbers_beyond_what_a_database_holds_are_numbers(tmp_path: Path) -> None:
    large = 10**30
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(np.random.default_rng(0).standard_normal((30, 8)))
        vector = np.ones(8)
        assert len(collection.items(limit=large)) == len(collection.search(vector=vector, k=large)) == 30
        assert len(collection.items(cursor=large)) == len(collection.items(page=large)) == 0
        assert len(collection.items(cursor=-large)) == 30
        assert len(collection.search(query="x", k=large)) == len(collection.cluster_events(large)) == 0
        assert len(collection.search(vector=vector, group=True, k=large)) > 0
        assert len(collection.outliers(large)) == 30
        assert collection.cut(large).note.endswith("clusters were asked for; there are at most 5 of five items or more")
        with pytest.raises(UsageError, match="no decision"):
            collection.undo(large)
        for kind in (collection.cluster, collection.get):
            with pytest.raises(NotFound, match=str(large)):
                kind(large)


@pytest.mark.parametrize("odd", ["a\0b", "\0", "\ud800", "x\udfff"])
def test_texts_that_no_database_can_store_are_errors_of_ours(filled: Collection, tmp_path: Path, odd: str) -> None:
    before = filled.change()
    doors: list[Callable[[], object]] = [
        lambda: filled.search(query=odd),
        lambda: filled.search(query=f'"{odd} x"'),
        lambda: filled.search(item=odd),
        lambda: filled.search(item=1, within=odd),
        lambda: filled.search(item=1, exclude=[odd]),
        lambda: filled.search(item=1, space=odd),
        lambda: filled.get(odd),
        lambda: filled.count(where={odd: 1}),
        lambda: filled.count(where={"a": {"$in": [odd]}}),
        lambda: filled.count(where={"key": {"$contains": odd}}),
        lambda: filled.update(1, {"a": {"b": [odd]}}),
        lambda: filled.update(1, {odd: 1}),
        lambda: filled.update(1, text=odd),
        lambda: filled.add([Image.new("RGB", (8, 8))], keys=[odd]),
        lambda: filled.add([Image.new("RGB", (8, 8))], texts=[odd]),
        lambda: filled.clusters(odd),
        lambda: filled.cluster(odd),
        lambda: filled.make_clustering(odd, k=2),
        lambda: filled.drop_clustering(odd),
        lambda: filled.refresh_clustering(odd),
        lambda: filled.use(odd),
        lambda: filled.evaluate(labels=odd),
        lambda: filled.export(tmp_path / f"{odd}.csv"),
    ]
    for door in doors:
        with pytest.raises(NearkinError):
            door()
    assert filled.change() == before


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a folder with open files can't be renamed")
def test_a_folder_that_was_away_for_a_while_is_opened_again(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(vectors(5))
        (tmp_path / "c").rename(tmp_path / "away")
        for _ in range(2):
            with pytest.raises(NearkinError):
                collection.search(vector=vectors(1)[0], k=1)
        (tmp_path / "away").rename(tmp_path / "c")
        assert collection.search(vector=vectors(1)[0], k=1)[0].item == 1
        assert collection.add_vectors(vectors(2, seed=3)).added == 2
        (tmp_path / "c").rename(tmp_path / "away")
        with pytest.raises(NearkinError):
            collection.info()
    (tmp_path / "away").rename(tmp_path / "c")
    with Collection.open(tmp_path / "c") as collection:
        assert collection.info().items == 7
