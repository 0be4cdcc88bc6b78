"""What faiss needs help with: nodes can't be removed from its graph."""

import numpy as np
import pytest

from indexers.vectors.base import VectorIndex
from indexers.vectors.faiss import Faiss
from tests.support.graphs import RoundedContract, RoundedTests, SearchedIndex, make_clusters

pytest.importorskip("faiss", reason="needs the extra faiss")


class TestContract(RoundedContract):
    kind = Faiss


class TestInnerProducts(TestContract):
    metric = "ip"


class TestDistances(TestContract):
    metric = "l2"


class TestEightBits(TestContract):
    precision = "i8"
    least_recall = 0.9


class TestBehindTheSharedLayer(TestContract):
    score_error, least_recall = 1e-5, 0.99

    def index(self) -> VectorIndex:
        return SearchedIndex(Faiss(self.dimension, self.metric, precision=self.precision, threads=1))


class TestEightBitsBehindTheSharedLayer(TestBehindTheSharedLayer):
    precision = "i8"


class TestFaiss(RoundedTests):
    kind = Faiss

    def test_removed_nodes_are_at_most_half_as_many_as_live_ones(self) -> None:
        index, vectors = Faiss(32, threads=1), make_clusters(1000)
        index.add(np.arange(1000), vectors)
        for first in range(0, 900, 50):
            index.remove(np.arange(first, first + 50))
            assert len(index) == 950 - first <= index._graph.ntotal <= 1.5 * len(index)
            assert (index.search(vectors[950:], 1).ids[:, 0] == np.arange(950, 1000)).all()
