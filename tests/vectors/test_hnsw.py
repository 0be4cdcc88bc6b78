"""What hnswlib needs help with: capacity, deleted slots, exact copies, silent failures."""

from pathlib import Path

import numpy as np
import pytest

from indexers.errors import StoredFileDamaged, WriteFailed
from indexers.testing import VectorIndexContract
from indexers.vectors.exact import Exact
from indexers.vectors.hnsw import Hnsw
from tests.support.graphs import make_clusters, measure_recall


class TestContract(VectorIndexContract):
    def index(self) -> Hnsw:
        return Hnsw(self.dimension, self.metric)


class TestInnerProducts(TestContract):
    metric = "ip"


class TestDistances(TestContract):
    metric = "l2"


def make_pair(metric: str = "cosine", dimension: int = 32) -> tuple[Hnsw, Exact]:
    return Hnsw(dimension, metric), Exact(dimension, metric)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_scores_are_those_of_the_referee(metric: str) -> None:
    index, flat = make_pair(metric)
    vectors = make_clusters(1500)
    for member in (index, flat):
        member.add(np.arange(1500), vectors)
    answer, exact = index.search(vectors[:50] + 0.1, 5), flat.search(vectors[:50] + 0.1, 5)
    same = answer.ids == exact.ids
    assert same.mean() >= 0.98
    np.testing.assert_allclose(answer.scores[same], exact.scores[same], rtol=1e-5, atol=1e-5)


def test_removed_places_are_used_again() -> None:
    index, flat = make_pair()
    vectors, ids = make_clusters(2000), np.arange(2000)
    for member in (index, flat):
        member.add(ids, vectors)
    rng = np.random.default_rng(3)
    for turn in range(6):
        removed = rng.choice(flat.ids(), 400, replace=False)
        added = np.concatenate([removed[:100], np.arange(300) + 10_000 * (turn + 1)])
        for member in (index, flat):
            member.remove(removed)
            member.add(added, make_clusters(400, seed=turn + 1))
        assert (index.ids() == flat.ids()).all()
    assert index._graph.get_current_count() == 2000
    assert index._free == 0
    assert measure_recall(index, flat, make_clusters(100, seed=50)) >= 0.98


def test_exact_copies_make_no_islands() -> None:
    index, flat = make_pair()
    vectors, copies = make_clusters(2000), np.repeat(make_clusters(4, seed=8), 300, axis=0)
    rows = np.random.default_rng(1).permutation(3200)
    for member in (index, flat):
        member.add(np.arange(3200), np.concatenate([vectors, copies])[rows])
    assert index._graph.get_current_count() == 2004
    queries = np.concatenate([make_clusters(200, seed=9), copies[::300]])
    assert measure_recall(index, flat, queries) >= 0.99
    assert (index.search(copies[::300], 200).ids == flat.search(copies[::300], 200).ids).all()


def test_copies_survive_the_one_that_stands_for_them(tmp_path: Path) -> None:
    index, flat = make_pair()
    vectors = make_clusters(60)
    vectors[10:40] = vectors[10]
    for member in (index, flat):
        member.add(np.arange(60), vectors)
    for removed in ([10], [12, 11, 13], [30, 3], [14, 39], list(range(15, 38))):
        for member in (index, flat):
            member.remove(np.array(removed))
        index.save(tmp_path / f"{removed[0]}")
        loaded = Hnsw(32)
        loaded.load(tmp_path / f"{removed[0]}")
        for member in (index, loaded):
            assert (member.search(vectors, 60).ids == flat.search(vectors, 60).ids).all()
    for member in (index, flat):  # the last copy becomes another picture, a stranger becomes a copy
        member.add(np.array([38, 50]), np.stack([vectors[0], vectors[10]]))
    assert (index.search(vectors, 60).ids == flat.search(vectors, 60).ids).all()


def test_zero_and_minus_zero_are_copies() -> None:
    index = Hnsw(3)
    index.add(np.arange(2), np.array([[1, 0, 0], [1, -0.0, 0]]))
    assert index._graph.get_current_count() == 1
    assert index.search([[2, 0, 0]], 3).ids.tolist() == [[0, 1, -1]]


def test_nodes_that_cannot_be_reached_do_not_break_a_search() -> None:
    index = Hnsw(8, ef=1, M=2, ef_construction=4)
    centres = np.eye(8)[:4] * 1000  # far apart, with too few links: the graph falls to pieces
    index.add(np.arange(2000), np.repeat(centres, 500, axis=0) + np.random.default_rng(0).standard_normal((2000, 8)))
    answer = index.search(centres, 1900)
    assert answer.ids.shape == (4, 1900)
    for ids in answer.ids:
        reached = ids[ids >= 0]
        assert len(set(reached.tolist())) == len(reached) > 0


def test_a_loaded_file_keeps_its_settings_and_grows(tmp_path: Path) -> None:
    index, flat = make_pair()
    for member in (index, flat):
        member.add(np.arange(1024), make_clusters(1024))
    index.save(tmp_path / "file")
    loaded = Hnsw(32, ef=77)
    loaded.load(tmp_path / "file")
    assert loaded._graph.ef == 77
    for member in (loaded, flat):
        member.add(np.arange(1024, 2048), make_clusters(1024, seed=1))
    assert measure_recall(loaded, flat, make_clusters(100, seed=2)) >= 0.99


def test_a_table_that_does_not_belong_to_the_graph_is_noticed(tmp_path: Path) -> None:
    for name, count in (("a", 50), ("b", 60)):
        index = Hnsw(32)
        index.add(np.arange(count), make_clusters(count))
        index.save(tmp_path / name)
    (tmp_path / "b.ids").replace(tmp_path / "a.ids")
    with pytest.raises(StoredFileDamaged, match="belong together"):
        Hnsw(32).load(tmp_path / "a")
    (tmp_path / "a.ids").write_bytes(b"12345678" * 3)
    with pytest.raises(StoredFileDamaged, match=r"a\.ids"):
        Hnsw(32).load(tmp_path / "a")


def test_a_silently_shortened_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = Hnsw(32)
    index.add(np.arange(50), make_clusters(50))

    class Full:
        def __init__(self, graph: object) -> None:
            self.graph = graph

        def __getattr__(self, name: str) -> object:
            return getattr(self.graph, name)

        def save_index(self, path: bytes) -> None:
            Path(path.decode()).write_bytes(b"half")

    monkeypatch.setattr(index, "_graph", Full(index._graph))
    with pytest.raises(WriteFailed, match="took 4 of"):
        index.save(tmp_path / "file")


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("length", [1e-18, 1e-5, 1.0, 1e12])
def test_vectors_of_any_length_keep_their_order(metric: str, length: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((1500, 16)) * length).astype(np.float32)
    queries = (rng.standard_normal((30, 16)) * length).astype(np.float32)
    index = Hnsw(16, metric)
    index.add(np.arange(1000), vectors[:1000])
    index.save(tmp_path / "graph")
    index = Hnsw(16, metric)
    index.load(tmp_path / "graph")
    index.add(np.arange(1000, 1500), vectors[1000:])
    products = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    squares = (vectors.astype(np.float64) ** 2).sum(1)
    true = products if metric == "ip" else 2 * products - squares
    best = np.argsort(-true, axis=1)[:, :10]
    answer = index.search(queries, 10)
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(answer.ids.tolist(), best.tolist(), strict=True)]) >= 0.98
    assert len(np.unique(answer.scores)) >= 290
