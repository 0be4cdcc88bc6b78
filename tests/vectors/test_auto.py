"""The index that changes with the size of the collection: which one serves, and no gap while it changes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from indexers.errors import StoredFileDamaged
from indexers.testing import VectorIndexContract
from indexers.vectors import auto
from indexers.vectors.auto import Auto, choose_kind
from indexers.vectors.exact import Exact
from indexers.vectors.searcher import Searcher
from indexers.vectors.staged import SCANNED
from tests.support.graphs import make_clusters, measure_recall

pytest.importorskip("rabitqlib", reason="needs the extra rabitq")
pytest.importorskip("hnswlib", reason="needs the extra hnswlib")


@pytest.fixture(autouse=True)
def _grow_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "GRAPH_FROM", 100)
    monkeypatch.setattr(auto, "CODES_FROM", 2000)
    monkeypatch.setattr("indexers.vectors.rabitq.SMALL", 100)


class TestContract(VectorIndexContract):
    least_recall = 0.98

    def index(self) -> Auto:
        return Auto(self.dimension, self.metric, threads=1)


class TestDistances(TestContract):
    metric = "l2"


def test_each_size_has_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [choose_kind(count) for count in (99, 100, 1999, 2000)] == [SCANNED, "hnsw", "hnsw", "rabitq"]
    assert [choose_kind(count, "rabitq") for count in (1000, 999)] == ["rabitq", "hnsw"]
    assert [choose_kind(count, "hnsw") for count in (50, 49)] == ["hnsw", SCANNED]
    monkeypatch.setattr(auto, "find_spec", lambda name: None)
    assert choose_kind(10**6) == "hnsw"


def test_answers_are_complete_while_it_changes(tmp_path: Path) -> None:
    vectors, queries = make_clusters(4000), make_clusters(50, seed=1)
    flat, index = Exact(32), Auto(32, threads=1)
    index.bind(lambda: flat)
    searcher, kinds = Searcher(flat, index, small=0), []
    with ThreadPoolExecutor(1) as pool:
        for start in range(0, 4000, 250):
            for member in (flat, index):
                member.add(np.arange(start, start + 250), vectors[start : start + 250])
            plan = index.plan_rebuild()
            building = pool.submit(plan) if plan else None
            assert measure_recall(searcher, flat, queries) >= 0.99
            if building:
                building.result()()
                assert measure_recall(searcher, flat, queries) >= 0.99
            kinds.append(index.kind)
            index.save(tmp_path / f"{start}")
            index.load(tmp_path / f"{start}")
            assert index.kind == kinds[-1]
            assert np.array_equal(index.ids(), flat.ids())
    assert kinds == ["hnsw"] * 7 + ["rabitq"] * 9
    for member in (flat, index):
        member.remove(np.arange(3500))
    index.rebuild()
    assert index.kind == "hnsw"
    assert measure_recall(searcher, flat, queries) >= 0.99


def test_an_index_of_a_package_that_is_gone_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = Auto(32, threads=1)
    index.add(np.arange(200), make_clusters(200))
    index.flush()
    index.save(tmp_path / "index")
    monkeypatch.setattr("indexers.plugins.SUBSTITUTES", {("nearkin.vectors", "hnsw"): ("no_such_package", "usearch")})
    with pytest.raises(StoredFileDamaged, match="made by 'hnsw', which does not serve here"):
        Auto(32, threads=1).load(tmp_path / "index")
