"""What all small worlds share, shown by one whose graph is a scan: settings, identical vectors, the order of steps."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from indexers.devices import count_cores
from indexers.errors import BadQuery, BadSetting, StoredFileDamaged, WriteFailed
from indexers.testing import VectorIndexContract
from indexers.types import Ids, Vectors
from indexers.vectors.exact import Exact
from indexers.vectors.hnsw import Hnsw
from indexers.vectors.small_world import SmallWorld, append_suffix, pad_answer


class Scanned(SmallWorld):
    """A small world whose graph is a dictionary: it finds the nearest nodes by looking at all of them."""

    name: ClassVar[str] = "scanned"
    unreachable: frozenset[int] = frozenset()
    """Nodes that no search finds."""

    def _nodes(self) -> dict[int, Vectors]:
        if self._graph is None:
            self._graph = {}
        return self._graph

    def _insert_nodes(self, ids: Ids, vectors: Vectors) -> None:
        assert not set(ids.tolist()) & set(self._nodes())
        self._nodes().update(zip(ids.tolist(), vectors, strict=True))

    def _remove_nodes(self, ids: list[int]) -> None:
        for item_id in ids:
            del self._nodes()[item_id]

    def _relabel_node(self, old: int, new: int) -> None:
        assert new not in self._nodes()
        self._nodes()[new] = self._nodes().pop(old)

    def _read_nodes(self, ids: Ids) -> Vectors:
        return np.stack([self._nodes()[item_id] for item_id in ids.tolist()])

    def _search_graph(self, queries: Vectors, k: int) -> tuple[Ids, Vectors]:
        found = {item_id: row for item_id, row in self._nodes().items() if item_id not in self.unreachable}
        ids, rows = np.array(list(found), np.int64), np.stack(list(found.values()))
        if self.metric == "l2":
            distances = ((queries[:, None] - rows) ** 2).sum(axis=2)
        else:
            distances = 1 - (queries[:, None] * rows).sum(axis=2)
        order = np.argsort(distances, axis=1)[:, :k]
        return pad_answer(ids[order], self._convert_distances(np.take_along_axis(distances, order, axis=1)), k)

    def _write_graph(self, path: Path) -> int:
        with path.open("wb") as file:
            np.savez(file, ids=np.array(list(self._nodes())), rows=np.stack(list(self._nodes().values())))
        return path.stat().st_size

    def _read_graph(self, path: Path) -> None:
        with np.load(path) as content:
            self._graph = dict(zip(content["ids"].tolist(), content["rows"], strict=True))
        if set(self._graph) != set(self._identical.representatives.tolist()):
            raise StoredFileDamaged(f"{path} and its table of ids do not belong together")


class TestContract(VectorIndexContract):
    def index(self) -> Scanned:
        return Scanned(self.dimension, self.metric)


class TestDistances(TestContract):
    metric = "l2"


class TestInnerProducts(TestContract):
    metric = "ip"


VECTORS = np.array([[1, 0], [1, 0], [0, 1], [1, 0], [0, -1]], np.float32)


@pytest.fixture
def index() -> Scanned:
    """Ids 0, 1 and 3 are identical."""
    index = Scanned(2)
    index.add(np.arange(5), VECTORS)
    return index


def test_only_distinct_vectors_enter_the_graph(index: Scanned) -> None:
    assert sorted(index._nodes()) == [0, 2, 4]
    answer = index.search(np.array([[2, 0]]), 4)
    assert answer.ids.tolist() == [[0, 1, 3, 2]]
    assert answer.scores.tolist() == [[1, 1, 1, 0]]


def test_a_hidden_vector_takes_the_node_of_its_removed_representative(index: Scanned) -> None:
    index.remove(np.array([0]))
    assert sorted(index._nodes()) == [1, 2, 4]
    index.remove(np.array([3]))  # hidden: the graph stays
    assert sorted(index._nodes()) == [1, 2, 4]
    index.remove(np.array([1, 4]))
    assert sorted(index._nodes()) == [2]


def test_a_vector_that_becomes_another_leaves_its_group(index: Scanned) -> None:
    index.add(np.array([3]), np.array([[-1, 0]], np.float32))
    assert sorted(index._nodes()) == [0, 2, 3, 4]
    assert index.search(np.array([[-1, 0]]), 1).ids.tolist() == [[3]]


def test_removing_everything_begins_a_new_graph(index: Scanned) -> None:
    index.remove(np.arange(5))
    assert index._graph is None
    assert index.search(np.array([[1, 0]]), 2).ids.tolist() == [[-1, -1]]


def test_similarities_come_from_distances() -> None:
    distances = np.array([[0, 0.25, 2], [-1e-7, 1, 4]], np.float32)
    np.testing.assert_allclose(Scanned(2)._convert_distances(distances), [[1, 0.75, -1], [1, 0, -3]], rtol=1e-6)
    np.testing.assert_allclose(Scanned(2, "ip")._convert_distances(distances)[1], [1.0000001, 0, -3], rtol=1e-6)
    np.testing.assert_allclose(Scanned(2, "l2")._convert_distances(distances)[1], [0, -1, -2], rtol=1e-6)


def test_a_graph_and_a_table_of_another_save_are_told_apart(index: Scanned, tmp_path: Path) -> None:
    index.save(tmp_path / "first")
    assert (tmp_path / "first.ids").is_file()
    index.remove(np.array([4]))
    index.save(tmp_path / "second")
    (tmp_path / "second.ids").replace(tmp_path / "first.ids")
    with pytest.raises(StoredFileDamaged, match="do not belong together"):
        Scanned(2).load(tmp_path / "first")


def test_a_file_shorter_than_the_graph_says_is_an_error(index: Scanned, tmp_path: Path) -> None:
    class Full(Scanned):
        def _write_graph(self, path: Path) -> int:
            return super()._write_graph(path) + 1

    full = Full(2)
    full.add(np.arange(5), VECTORS)
    with pytest.raises(WriteFailed, match=r"took \d+ of \d+ bytes; make room on the disk"):
        full.save(tmp_path / "file")


def test_zero_threads_are_all_cores() -> None:
    assert Scanned(2).threads == count_cores()
    assert Scanned(2, threads=3).threads == 3


def test_an_answer_is_padded_to_k() -> None:
    ids, scores = pad_answer(np.array([[4, 2]]), np.array([[0.5, 0.25]], np.float32), 4)
    assert ids.tolist() == [[4, 2, -1, -1]]
    assert scores.tolist() == [[0.5, 0.25, -np.inf, -np.inf]]
    assert pad_answer(ids, scores, 4)[0] is ids


def test_a_folder_may_have_a_name_beyond_ascii(tmp_path: Path) -> None:
    folder = tmp_path / "Bäume"
    folder.mkdir()
    index, loaded = Hnsw(2), Hnsw(2)
    index.add(np.arange(5), VECTORS)
    index.save(folder / "file")
    assert sorted(path.name for path in folder.iterdir()) == ["file", "file.ids"]
    loaded.load(folder / "file")
    assert loaded.ids().tolist() == [0, 1, 2, 3, 4]


def test_a_suffix_comes_after_the_whole_name() -> None:
    assert append_suffix(Path("folder/payload-3.bin"), ".ids") == Path("folder/payload-3.bin.ids")


@pytest.mark.parametrize(
    "setting", [{"M": 1}, {"M": 129}, {"ef": 0}, {"ef_construction": 2}, {"threads": -1}, {"M": 4.5}]
)
def test_settings_out_of_range_are_named(setting: dict[str, int]) -> None:
    with pytest.raises(BadSetting, match=next(iter(setting))):
        Hnsw(3, **setting)


def test_unknown_settings_metrics_and_uses_are_refused() -> None:
    with pytest.raises(BadSetting, match="'m'"):
        Hnsw(3, m=3)
    with pytest.raises(BadSetting, match="l1"):
        Hnsw(3, "l1")
    with pytest.raises(BadQuery, match="shared layer"):
        Hnsw(3).search(np.ones((1, 3)), 1, allowed=np.array([1]))


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_nodes_that_are_not_found_are_kept_beside_the_graph(metric: str, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32) * np.float32(50)
    index = Scanned(8, metric)
    index.add(np.arange(60), rows)
    index.unreachable = frozenset({3, 17, 40})
    near = rows + np.float32(0.01)
    assert not (index.search(near[[3, 17]], 5).ids == [[3], [17]]).any()
    for start in range(50, 60):  # as many are looked at as there are
        for _ in range(3):
            index.add(np.array([start]), rows[[start]])
    assert index._strays.ids.tolist() == [3, 17, 40]
    truth = Exact(8, metric)
    truth.add(np.arange(60), rows)
    found, expected = index.search(near, 5), truth.search(near, 5)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-2)
    index.save(tmp_path / "file")
    loaded = Scanned(8, metric)
    loaded.load(tmp_path / "file")
    loaded.unreachable = index.unreachable
    np.testing.assert_array_equal(loaded.search(near, 5).ids, expected.ids)
    index.remove(np.array([3]))
    assert 3 not in index.search(near[[3]], 60).ids
    index.add(np.array([17]), rows[[59]])
    assert 17 not in index._strays.ids
    index.unreachable = frozenset()
    index._mend(60)
    assert not len(index._strays)


def test_processes_that_end_soon_look_at_other_nodes_each_time(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
    index = Scanned(8)
    index.add(np.arange(60), rows)
    for number in range(60):
        index.save(tmp_path / str(number))
        index = Scanned(8)
        index.load(tmp_path / str(number))
        index.unreachable = frozenset({3, 17, 40})
        index.add(np.array([number]), rows[[number]])
    assert index._strays.ids.tolist() == [3, 17, 40]


def test_a_stray_passes_its_place_to_its_heir() -> None:
    rows = np.random.default_rng(0).standard_normal((20, 8)).astype(np.float32)
    index = Scanned(8)
    index.add(np.arange(20), rows)
    index.add(np.array([100]), rows[[3]])
    index.unreachable = frozenset({3, 100})
    index._mend(20)
    index.remove(np.array([3]))
    assert index._strays.ids.tolist() == [100]
    assert index.search(rows[[3]] + np.float32(0.01), 1).ids.tolist() == [[100]]


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_a_query_that_is_stored_finds_its_item_whatever_the_graph_says(metric: str) -> None:
    rows = np.random.default_rng(0).standard_normal((20, 8)).astype(np.float32) * np.float32(7)
    index = Scanned(8, metric)
    index.add(np.arange(20), rows)
    expected = index.search(rows, 20)
    index.unreachable = frozenset({5})
    found = index.search(rows[[5]], 20)
    np.testing.assert_array_equal(found.ids, expected.ids[[5]])
    np.testing.assert_allclose(found.scores, expected.scores[[5]], rtol=1e-5, atol=1e-5)
