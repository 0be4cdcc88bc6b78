"""What faiss needs help with."""

import pytest

from indexers.vectors.base import VectorIndex
from indexers.vectors.faiss import Faiss
from tests.graphs import Behind, RoundedContract, RoundedTests

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
        return Behind(Faiss(self.dimension, self.metric, precision=self.precision, threads=1))


class TestEightBitsBehindTheSharedLayer(TestBehindTheSharedLayer):
    precision = "i8"


class TestFaiss(RoundedTests):
    kind = Faiss
