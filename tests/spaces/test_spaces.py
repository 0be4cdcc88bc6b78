"""Which embedder fills which space, and what is refused when they don't fit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.embedders.base import Embedder
from indexers.embedders.tiny import Tiny
from indexers.errors import BadSetting, UnknownPlugin, UsageError
from indexers.followers import stored_file as storage
from indexers.types import Vectors
from retrieval import Collection
from tests.conftest import vectors
from tests.support.graphs import make_clusters


class Brightness(Embedder):
    """One number and its opposite."""

    name = "brightness"
    dimension = 2
    input_size = 32
    version = "1"

    def forward(self, batch: Sequence[Any]) -> Vectors:
        means = [np.asarray(picture.convert("L")).mean() / 255 for picture in batch]
        return np.array([(mean, 1 - mean) for mean in means], np.float32)

    def fingerprint(self) -> str:
        return self.version


def test_an_embedder_of_ones_own_is_used(tmp_path: Path, folder: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder=Brightness()) as collection:
        collection.add(folder)
        info = collection.info()
        assert (info.space, info.embedder, info.dimension) == ("brightness", "brightness", 2)
        assert len(collection.search(folder / "black.png", k=1)) == 1


def test_without_it_the_collection_can_still_be_searched_by_item(tmp_path: Path, folder: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder=Brightness()) as collection:
        collection.add(folder)
    with Collection.open(tmp_path / "c") as again:
        assert len(again.search(item=1)) == 4
        assert len(again.search(vector=[1.0, 0.0])) == 5
        for use in (lambda: again.search(folder / "red.png"), lambda: again.add(folder)):
            with pytest.raises(UnknownPlugin, match="'brightness'"):
                use()


def test_other_weights_under_the_same_name_are_refused(tmp_path: Path, folder: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder=Brightness()) as collection:
        collection.add(folder)
    other = Brightness()
    other.version = "2"
    with Collection.open(tmp_path / "c", embedder=other) as again:
        with pytest.raises(BadSetting, match=r"has other weights here .*\(2 instead of 1\)"):
            again.add(folder)
        assert again.count() == 5


def test_another_embedder_is_refused_with_the_way_to_a_second_space(filled: Collection) -> None:
    with pytest.raises(BadSetting, match="was made with the embedder 'tiny', not 'brightness'"):
        Collection.open(filled.path, embedder=Brightness())


def test_the_default_is_not_loaded_before_it_is_needed(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(vectors(1))
        assert collection.info().embedder is None


def test_vectors_into_a_chosen_embedders_collection_have_its_dimension(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        with pytest.raises(UsageError, match="13"):
            collection.add_vectors(vectors(1))
        collection.add_vectors(vectors(1, dimension=13))
        assert collection.info().embedder == "tiny"


def test_a_second_space_is_filled_switched_to_and_dropped(filled: Collection, folder: Path) -> None:
    report = filled.fill(Brightness())
    assert (report.added, report.failed) == (5, 0)
    assert [(one.name, one.vectors, one.current) for one in filled.spaces()] == [
        ("tiny", 5, True),
        ("brightness", 5, False),
    ]
    assert filled.info().dimension == 13
    filled.use("brightness")
    assert filled.info().dimension == 2
    assert len(filled.search(vector=[1.0, 0.0])) == 5
    with pytest.raises(UsageError):
        filled.drop_space("brightness")
    filled.drop_space("tiny")
    assert [one.name for one in filled.spaces()] == ["brightness"]
    assert filled.verify().ok


def test_two_that_begin_at_once_share_one_space(tmp_path: Path, folder: Path) -> None:
    with (
        Collection.open(tmp_path / "c", create=True, embedder="tiny") as first,
        Collection.open(tmp_path / "c", embedder=Tiny()) as second,
    ):
        first.add(folder / "red.png")
        second.add(folder / "blue.png")
        assert [one.vectors for one in first.spaces()] == [2]
        assert len(first.search(folder / "blue.png")) == 2


def test_a_process_that_meant_another_embedder_is_told(tmp_path: Path, folder: Path) -> None:
    with (
        Collection.open(tmp_path / "c", create=True) as first,
        Collection.open(tmp_path / "c", embedder="tiny") as second,
    ):
        first.add_vectors(vectors(1))
        with pytest.raises(BadSetting, match="no embedder"):
            second.add(folder)


def test_a_name_may_be_spelled_another_way(tmp_path: Path, folder: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder="classic:colour+hog*1.0") as collection:
        collection.add(folder)
        assert collection.info().embedder == "classic:hog+colour"
    with Collection.open(tmp_path / "c", embedder="classic:colour*1+hog") as again:
        assert len(again.search(folder / "red.png", k=2)) == 2
        again.add(folder)
    with pytest.raises(BadSetting, match="was made with the embedder 'classic:hog\\+colour'"):
        Collection.open(tmp_path / "c", embedder="classic:hog")


def answers(place: Path, **settings: Any) -> tuple[np.ndarray, str, tuple[str, ...]]:
    """ids that a search finds, what the index's file is, and what opening had to repair; all of it checked."""
    with Collection.open(place, scan_below=0, clusters=0, threads=1, **settings) as collection:
        found = np.array([[hit.item for hit in collection.search(vector=one)] for one in make_clusters(60, seed=9)])
        assert collection.verify().ok
        repairs = tuple(collection.info().repairs)
    index = place / "spaces" / "1" / "index"
    return found, storage.verify(index)[0].kind if index.exists() else "", repairs


def test_another_index_is_built_from_the_catalogue(tmp_path: Path) -> None:
    pytest.importorskip("usearch")
    pytest.importorskip("faiss")
    with Collection.open(tmp_path / "c", create=True, clusters=0, threads=1) as collection:
        collection.add_vectors(make_clusters(2500), keys=[f"k{number}" for number in range(2500)])
        collection.remove(list(range(1, 300)))
        collection.add_vectors(make_clusters(100, seed=1), keys=[f"k{number}" for number in range(1000, 1100)])
    true, _, _ = answers(tmp_path / "c", index="exact")
    for settings in (
        {"index": "usearch"},
        {"index": "usearch", "precision": "i8"},
        {"index": "faiss", "precision": "i8"},
        {"index": "hnsw"},
        {"index": "faiss"},
    ):
        for repaired in (True, False):  # once built it is taken as it is
            found, kind, repairs = answers(tmp_path / "c", **settings)
            assert np.mean([len(set(one) & set(other)) / 20 for one, other in zip(found, true, strict=True)]) >= 0.98
            assert kind == settings["index"]
            assert bool(repairs) == repaired
        parts = {path.name.partition(".")[0] for path in (tmp_path / "c" / "spaces" / "1" / "index").iterdir()}
        assert len(parts) == 2, "one payload and its header; nothing of the index before"
    with Collection.open(tmp_path / "c", index="faiss", scan_below=0, clusters=0, threads=1) as collection:
        collection.add_vectors(make_clusters(1, seed=2), keys=["new"])
        assert collection.search(vector=make_clusters(1, seed=2)[0], k=1)[0].key == "new"


def test_codes_are_trained_after_adding_and_searched_after_opening(tmp_path: Path) -> None:
    pytest.importorskip("rabitqlib")
    rows = make_clusters(6300)
    settings: dict[str, Any] = {"index": "rabitq", "clusters": 0, "threads": 1}
    with Collection.open(tmp_path / "c", create=True, **settings) as collection:
        collection.add_vectors(rows[:4000], keys=[f"k{number}" for number in range(4000)])
        assert not is_trained(collection)
        collection.add_vectors(rows[4000:6000])
        assert is_trained(collection)
        collection.remove(list(range(1, 101)))
        collection.add_vectors(rows[6000:6100], keys=[f"k{number}" for number in range(200, 300)])
        assert [collection.search(vector=row, k=1)[0].key for row in rows[6000:6003]] == ["k200", "k201", "k202"]
        before = [[hit.item for hit in collection.search(vector=row, k=10)] for row in rows[6200:]]
    true, _, _ = answers(tmp_path / "c", index="exact")
    with Collection.open(tmp_path / "c", **settings) as collection:
        assert is_trained(collection)
        assert collection.info().repairs == ()
        assert collection.verify().ok
        again = [[hit.item for hit in collection.search(vector=row, k=10)] for row in rows[6200:]]
    assert np.mean([len(set(row) & set(other)) / 10 for row, other in zip(before, again, strict=True)]) >= 0.99
    found, kind, _ = answers(tmp_path / "c", index="rabitq")
    assert kind == "rabitq"
    assert np.mean([len(set(row) & set(other)) / 20 for row, other in zip(found, true, strict=True)]) >= 0.98


def test_codes_of_another_collection_are_trained_once(tmp_path: Path) -> None:
    pytest.importorskip("rabitqlib")
    with Collection.open(tmp_path / "c", create=True, index="exact", clusters=0) as collection:
        collection.add_vectors(make_clusters(5500))
    payload = tmp_path / "c" / "spaces" / "1" / "index"
    stored = []
    for _ in range(2):
        with Collection.open(tmp_path / "c", index="rabitq", clusters=0, threads=1) as collection:
            assert len(collection.search(vector=make_clusters(1)[0], k=5)) == 5
            assert is_trained(collection)
        stored.append(sorted(path.name for path in payload.iterdir()))
    assert stored[0] == stored[1], "the second opening takes what the first has stored"


def test_the_index_changes_with_the_collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rabitqlib")
    monkeypatch.setattr("indexers.vectors.auto.GRAPH_FROM", 2200)
    monkeypatch.setattr("indexers.vectors.auto.CODES_FROM", 3000)
    rows, kinds = make_clusters(3600), []
    for start in range(0, 3600, 600):
        with Collection.open(tmp_path / "c", create=True, index="auto", clusters=0, threads=1) as collection:
            collection.add_vectors(rows[start : start + 600])
            assert collection.search(vector=rows[start], k=1)[0].item == start + 1
            kinds.append(collection.info().index)
            assert collection.verify().ok
            assert collection.info().repairs == ()
    scanned, graph, codes = (f"auto, now {kind}" for kind in ("a scan", "hnsw", "rabitq"))
    assert kinds == [scanned] * 3 + [graph, codes, codes]
    true, _, _ = answers(tmp_path / "c", index="exact")
    found, kind, _ = answers(tmp_path / "c", index="auto")
    assert kind == "auto"
    assert np.mean([len(set(row) & set(other)) / 20 for row, other in zip(found, true, strict=True)]) >= 0.98


def is_trained(collection: Collection) -> bool:
    view = collection._spaces.view()
    assert view is not None
    assert view.index is not None
    return view.index.index.serving is not None


def test_an_index_of_hnswlib_opens_where_that_is_missing_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hnswlib = pytest.importorskip("hnswlib")
    with Collection.open(tmp_path / "c", create=True, clusters=0, threads=1) as collection:
        collection.add_vectors(make_clusters(2500))
    true, _, _ = answers(tmp_path / "c", index="exact")
    for package, kind, shown in (
        (None, "usearch", "hnsw, served by usearch"),
        (None, "usearch", "hnsw, served by usearch"),
        (hnswlib, "hnsw", "hnsw"),
    ):
        monkeypatch.setitem(sys.modules, "hnswlib", package)
        before = storage.verify(tmp_path / "c" / "spaces" / "1" / "index")[0].kind
        found, written, repairs = answers(tmp_path / "c")
        assert np.mean([len(set(one) & set(other)) / 20 for one, other in zip(found, true, strict=True)]) >= 0.98
        assert written == kind
        assert [f"made by '{before}', and '{kind}' serves here; rebuilt" in repair for repair in repairs] == [True] * (
            before != kind
        )
        with Collection.open(tmp_path / "c") as collection:
            assert collection.info().index == shown


def test_a_precision_is_for_the_cosine_only_where_it_is(tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    settings: dict[str, Any] = {"index": "faiss", "precision": "i8", "metric": "l2"}
    with Collection.open(tmp_path / "c", create=True, **settings) as collection:
        with pytest.raises(BadSetting, match="precision 'i8' is for unit vectors"):
            collection.add_vectors(vectors(3))
        assert not collection.spaces()
