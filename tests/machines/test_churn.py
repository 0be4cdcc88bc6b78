"""Graphs whose vectors come, go and change for long: each vector finds itself, and nobody finds what is gone."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from indexers import plugins
from indexers.types import Ids, Vectors
from indexers.vectors.base import VectorIndex
from indexers.vectors.exact import Exact

DIMENSION = 6
SPARSE = {"M": 2, "ef_construction": 4, "ef": 4, "threads": 1}
"""Settings with which a graph loses many nodes."""


class Churn(RuleBasedStateMachine):
    """An index beside an exact one. `member` and `metric` are set by the test."""

    member, metric = "hnsw", "cosine"

    @initialize(seed=st.integers(0, 2**32 - 1))
    def begin(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.index, self.truth = self.make(), Exact(DIMENSION, self.metric)
        self.next_id = 0
        self.vectors: dict[int, Vectors] = {}
        self.add(30)

    def make(self) -> VectorIndex:
        kind: type[VectorIndex] = plugins.load_member("nearkin.vectors", self.member)
        return kind(DIMENSION, self.metric, **({"threads": 1} if self.member == "rabitq" else SPARSE))

    def draw(self, count: int) -> Vectors:
        vectors: Vectors = self.rng.standard_normal((count, DIMENSION)).astype(np.float32)
        return vectors

    def put(self, ids: np.ndarray, vectors: Vectors) -> None:
        for index in (self.index, self.truth):
            index.add(ids, vectors)
            index.flush()
        self.vectors.update(zip(ids.tolist(), vectors, strict=True))

    @rule(count=st.integers(1, 40))
    def add(self, count: int) -> None:
        self.put(np.arange(self.next_id, self.next_id + count), self.draw(count))
        self.next_id += count

    @rule(share=st.floats(0, 1))
    def replace(self, share: float) -> None:
        ids = self.truth.ids()
        ids = self.rng.permutation(ids)[: int(share * len(ids))]
        self.put(ids, self.draw(len(ids)))

    @rule(share=st.floats(0, 0.6))
    def remove(self, share: float) -> None:
        ids = self.rng.permutation(self.truth.ids())
        for index in (self.index, self.truth):
            index.remove(ids[: int(share * len(ids))])

    @rule(count=st.integers(1, 5))
    def repeat(self, count: int) -> None:
        ids = self.truth.ids()
        if len(ids):
            again = self.vectors[int(ids[0])][None].repeat(count, axis=0)
            self.put(np.arange(self.next_id, self.next_id + count), again)
            self.next_id += count

    @rule()
    def store(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.index.save(Path(folder) / "file")
            loaded = self.make()
            loaded.load(Path(folder) / "file")
            self.index = loaded
            self.check()
            if hasattr(loaded, "_ensure_writable"):
                loaded._ensure_writable()  # the mapped file goes with its folder

    @invariant()
    def check(self) -> None:
        ids = self.truth.ids()
        assert self.index.ids().tolist() == ids.tolist()
        if not len(ids):
            return
        prepared = self.truth.take(ids)
        squares = (prepared * prepared).sum(1)
        for vectors in (prepared, np.stack([self.vectors[item_id] for item_id in ids.tolist()])):
            self.check_found(ids, vectors, squares)

    def check_found(self, ids: Ids, vectors: Vectors, squares: Vectors) -> None:
        found = self.index.search(vectors, 1)
        own = np.zeros(len(ids)) if self.metric == "l2" else squares
        lost = (found.ids[:, 0] != ids) & (found.scores[:, 0] < own - 1e-2 * np.maximum(1, squares))
        assert not lost.any(), f"{ids[lost]} do not find themselves"


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("member", ["hnsw", "usearch", "faiss", "rabitq"])
def test_churn(member: str, metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexers.vectors.rabitq.SMALL", 20)
    pytest.importorskip({"hnsw": "hnswlib", "rabitq": "rabitqlib"}.get(member, member))
    machine = type("Chosen", (Churn,), {"member": member, "metric": metric})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=2, stateful_step_count=6, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
