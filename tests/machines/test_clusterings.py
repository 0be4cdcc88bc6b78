"""A clustering by name in a collection that lives: everybody has the place that the model gives, whatever happened.

What is kept beside it: the model as it was made, and where each item was put by then; an item whose vector has changed
since belongs where the model sees it now.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from indexers.arrays import scale_to_unit
from indexers.clusterers.base import Clusterer
from indexers.clusterers.kmeans import KMeans
from retrieval import Collection

NAMES = [f"k{number}" for number in range(12)]
Keys = st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True)


class Living(RuleBasedStateMachine):
    """Vectors come, change and go; the clustering is made, made anew, dropped; the collection is closed and opened."""

    folder: Path
    serial = 0

    @initialize(seed=st.integers(0, 2**32 - 1))
    def begin(self, seed: int) -> None:
        Living.serial += 1
        self.random = np.random.default_rng(seed)
        self.path = self.folder / f"c{Living.serial}"
        self.collection = Collection.open(self.path, create=True)
        self.vectors: dict[str, np.ndarray] = {}
        self.model: Clusterer | None = None
        self.labels: dict[str, int] = {}
        self.events = 0

    @rule(keys=Keys, catch_up=st.booleans())
    def add(self, keys: list[str], catch_up: bool) -> None:
        new = {key: self.random.standard_normal(4).astype(np.float32) for key in keys}
        self.collection.add_vectors(np.stack(list(new.values())), keys=list(new), catch_up=catch_up)
        self.vectors |= new
        if self.model is not None:
            self.labels |= dict(zip(new, self.predict(list(new)), strict=True))

    @precondition(lambda self: self.vectors)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        keys = data.draw(st.lists(st.sampled_from(sorted(self.vectors)), min_size=1, max_size=4, unique=True))
        self.collection.remove(keys)
        for key in keys:
            del self.vectors[key]
            self.labels.pop(key, None)

    @precondition(lambda self: len(self.vectors) >= 3)
    @rule(k=st.integers(1, 3), anew=st.booleans())
    def make(self, k: int, anew: bool) -> None:
        if self.model is not None and anew:
            self.collection.refresh_clustering("themes")
            k = self.model.n_clusters
        else:
            self.collection.make_clustering("themes", k=k)
        items = {item.id: item.key for item in self.collection.items().items}
        rows = scale_to_unit(np.stack([self.vectors[key] for key in items.values()]))
        self.model = KMeans(k, random_state=0).fit(rows)
        self.labels = dict(zip(items.values(), self.model.labels_.tolist(), strict=True))

    @precondition(lambda self: self.model is not None)
    @rule()
    def drop(self) -> None:
        self.collection.drop_clustering("themes")
        self.model, self.labels = None, {}

    @rule()
    def open_again(self) -> None:
        self.collection.close()
        self.collection = Collection.open(self.path)

    def predict(self, names: list[str]) -> list[int]:
        assert self.model is not None
        labels: list[int] = self.model.predict(scale_to_unit(np.stack([self.vectors[name] for name in names]))).tolist()
        return labels

    @invariant()
    def everybody_is_where_the_model_says(self) -> None:
        if not hasattr(self, "collection") or self.model is None:
            return
        self.collection.catch_up()
        keys = {item.id: item.key for item in self.collection.items().items}
        clusters = self.collection.clusters("themes")
        ours = {keys[item]: cluster.id for cluster in clusters for item in cluster.members}
        assert ours.keys() == self.labels.keys() == self.vectors.keys()
        pairs = {(ours[key], label) for key, label in self.labels.items()}
        assert len(pairs) == len({cluster for cluster, _ in pairs}) == len({label for _, label in pairs})
        about = self.collection.clustering("themes")
        assert (about.as_of, about.items, about.clusters) == (self.collection.info().change, len(ours), len(clusters))

    @invariant()
    def events_tell_the_sizes(self) -> None:
        """The size that the last event of each cluster tells is its size."""
        if not hasattr(self, "collection") or self.model is None:
            return
        sizes: dict[int, int] = {}
        for event in self.collection.cluster_events():
            if event.level == "themes" and event.cluster is not None:
                sizes[event.cluster] = event.size
        for cluster in self.collection.clusters("themes"):
            assert sizes[cluster.id or 0] == cluster.size

    def teardown(self) -> None:
        if hasattr(self, "collection"):
            self.collection.close()


def test_a_clustering_follows_a_living_collection(tmp_path: Path) -> None:
    Living.folder = tmp_path
    Living.TestCase.settings = settings(
        max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
    )
    Living.TestCase().runTest()
