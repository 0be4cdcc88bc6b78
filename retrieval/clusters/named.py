"""Named clusterings, beside the tree: made by any method, kept with their fitted model, which places new items."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from indexers import plugins
from indexers.arrays import scale_to_unit
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.metadata import is_text
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, BadSetting, ClusteringNotFound, MissingPackage, UsageError
from indexers.followers.clusterings import SAMPLING_CLUSTERER, FittedClustering, read_vectors
from indexers.types import LEVELS, ClusteringRow, Ids, Json, Vectors
from retrieval.checks import check_whole, is_number
from retrieval.clusters.drift import describe_clustering
from retrieval.records.clusters import NamedClustering
from retrieval.records.items import FIELDS, VECTOR
from retrieval.spaces.spaces import Spaces
from retrieval.spaces.view import View, find_cluster_state

if TYPE_CHECKING:
    from indexers.clusterers.base import ProgressCallback

NAME = re.compile(r"[A-Za-z][\w-]{0,63}")
COPIES = 0.98
"""The cosine from which on two vectors count once."""
LOW = 0.05
"""The share of a clustering's own items that would count as strange."""


class Training(NamedTuple):
    """What a clusterer is fitted to: items (n,), vectors (n, d), and the places of each item's neighbours (n, k)."""

    items: Ids
    vectors: Vectors
    neighbours: Ids | None
    position: int


class NamedClusterings:
    """Makes and keeps the clusterings of a collection. The methods are those of `Collection`, which documents them."""

    def __init__(self, catalogue: Catalogue, spaces: Spaces) -> None:
        self._catalogue, self._spaces = catalogue, spaces

    def make(
        self,
        name: str,
        method: str,
        *,
        k: int | None,
        threshold: float | None,
        settings: Mapping[str, Any] | None,
        sample: int | None,
        once_per_copy: bool,
        without_outliers: float,
        progress: ProgressCallback | None,
    ) -> NamedClustering:
        """Cluster the current space and keep the result under a name."""
        check_name(name)
        parameters = parameters_of(method, k, threshold, settings or {})
        choice = choice_of(sample, once_per_copy, without_outliers)
        return self._fit(name, method, parameters, choice, progress)

    def refresh(self, name: str, progress: ProgressCallback | None) -> NamedClustering:
        """Fit a clustering again to the items of now. Raises ClusteringNotFound."""
        with self._catalogue.snapshot() as snapshot:
            row = find_clustering(snapshot, name)
        return self._fit(name, row.method, row.parameters, row.choice, progress)

    def list_all(self) -> tuple[NamedClustering, ...]:
        """Return all clusterings, with their age and how far the collection has drifted from each."""
        with self._catalogue.snapshot() as snapshot:
            names = [row.name for row in snapshot.clusterings.rows()]
        return tuple(self.read(name) for name in names)

    def read(self, name: str) -> NamedClustering:
        """Return one clustering. Raises ClusteringNotFound."""
        with self._catalogue.snapshot() as snapshot:
            row = find_clustering(snapshot, name)
            space = next(space.name for space in snapshot.spaces() if space.id == row.space)
        view = self._spaces.view(space)
        assert view is not None
        view.followers.record(let_wait=True)
        with view.followers.current_snapshot() as snapshot:
            row, state = find_clustering(snapshot, name), find_cluster_state(view, snapshot, name)
            assert state is not None
            return describe_clustering(row, state, view)

    def drop(self, name: str) -> None:
        """Forget a clustering; the tree and the pictures stay. Raises ClusteringNotFound."""
        with self._catalogue.transaction() as transaction:
            transaction.clusterings.drop(find_clustering(transaction, name).id)

    def _fit(
        self, name: str, method: str, parameters: Json, choice: Json, progress: ProgressCallback | None
    ) -> NamedClustering:
        model = _load_class(method)(**parameters)
        parameters = model.get_params()
        if choice:
            model = plugins.load_member("nearkin.clusterers", SAMPLING_CLUSTERER)(method, parameters, **choice)
        view = self._spaces.view()
        if view is None:
            raise UsageError("the collection is empty; add pictures or vectors first")
        training = self._read_training(view, model.uses_neighbours)
        try:
            model.fit(training.vectors, neighbours=training.neighbours, progress=progress)
        except ImportError as error:
            raise MissingPackage(str(error)) from error
        except ValueError as error:
            raise UsageError(f"{method} can't cluster these {len(training.items)} items: {error}") from error
        low = _find_low_similarity(training.vectors, model.labels_)
        with self._catalogue.transaction() as transaction:
            previous = transaction.clusterings.find(name)
            if previous and previous.space != view.space.id:
                raise UsageError(
                    f"the clustering {name!r} belongs to another space; drop it first, or choose another name"
                )
            fitted = FittedClustering(
                name, method, parameters, choice, model, training.items, model.labels_, low, training.position
            )
            view.named.record_clustering(transaction, fitted)
        view.followers.record()
        return self.read(name)

    def _read_training(self, view: View, uses_neighbours: bool) -> Training:
        """Return all items of a space at one moment; the clusterer then works while others read and write."""
        view.followers.record(let_wait=True)
        with view.followers.complete_snapshot(let_wait=True) as snapshot:
            items = view.flat.index.ids()
            if not len(items):
                raise UsageError("there are no vectors to cluster yet; add pictures or vectors first")
            neighbours = view.tree.graph.list_neighbours(items) if uses_neighbours and view.tree else None
            return Training(items, read_vectors(view.flat, items), neighbours, snapshot.number)


def check_name(name: Any) -> None:
    """Raise BadQuery unless a clustering can have that name."""
    if not isinstance(name, str) or not is_text(name) or not NAME.fullmatch(name):
        raise BadQuery(f"a clustering's name is a letter and up to 63 letters, digits, - and _; got {name!r}")
    if name in (*LEVELS, *FIELDS, VECTOR):
        raise BadQuery(f"the name {name!r} is already used for something else; choose another one")


def _load_class(method: str) -> Any:
    kind = plugins.load_member("nearkin.clusterers", method)
    if not hasattr(kind, "to_bytes"):
        methods = ", ".join(_list_methods())
        raise BadSetting(f"a clustering by {method!r} can't be kept by name; methods that can: {methods}")
    return kind


def _list_methods() -> list[str]:
    methods = []
    for name in sorted(plugins.find_members("nearkin.clusterers")):
        try:
            if hasattr(plugins.load_member("nearkin.clusterers", name), "to_bytes"):
                methods.append(name)
        except MissingPackage:
            continue
    return methods


def parameters_of(method: str, k: Any, threshold: Any, settings: Mapping[str, Any]) -> Json:
    """Return the arguments of the method's class. Raises BadSetting, BadQuery."""
    signature = inspect.signature(_load_class(method))
    defaults = {name: parameter.default for name, parameter in signature.parameters.items()}
    parameters = dict(settings)
    if k is not None:
        parameters["n_clusters"] = check_whole(k, "k is the number of clusters,")
    if threshold is not None:
        if not is_number(threshold) or threshold < 0:
            raise BadQuery(f"threshold is the distance at which merging stops, at least 0; got {threshold!r}")
        parameters["distance_threshold"] = float(threshold)
        if "n_clusters" in defaults and k is None:
            parameters["n_clusters"] = None
    unknown = sorted(set(parameters) - set(defaults))
    if unknown:
        option = {"n_clusters": "k", "distance_threshold": "threshold"}.get(unknown[0], unknown[0])
        raise BadSetting(f"the method {method!r} takes no {option!r}; it takes: {', '.join(defaults)}")
    if defaults.get("n_clusters") is not None and "n_clusters" not in parameters:
        raise BadQuery(f"the method {method!r} needs the number of clusters: k")
    if "random_state" in defaults:
        parameters.setdefault("random_state", 0)
    return parameters


def choice_of(sample: Any, once_per_copy: bool, without_outliers: Any) -> Json:
    """Return how to choose the items to learn from, as SAMPLING_CLUSTERER takes it; empty: all. Raises BadQuery."""
    if not is_number(without_outliers) or not 0 <= without_outliers < 1:
        raise BadQuery(f"without_outliers is the share that is left out, from 0 to below 1; got {without_outliers!r}")
    count = None if sample is None else check_whole(sample, "sample is the number of items to learn from,")
    if count is None and not once_per_copy and not without_outliers:
        return {}
    return {
        "copies": COPIES if once_per_copy else None,
        "outliers": float(without_outliers),
        "count": count,
        "predict_outliers": False,
        "random_state": 0,
    }


def find_clustering(snapshot: Snapshot, name: str) -> ClusteringRow:
    """Return the row of a clustering. Raises ClusteringNotFound."""
    row = snapshot.clusterings.find(name) if isinstance(name, str) else None
    if row is None:
        names = ", ".join(row.name for row in snapshot.clusterings.rows()) or "none"
        raise ClusteringNotFound(f"there is no clustering {name!r}; there are: {names}")
    return row


def _find_low_similarity(vectors: Vectors, labels: Ids) -> float:
    """Return the cosine to the centroid of its own cluster that one item in twenty does not reach."""
    inside = np.flatnonzero(labels >= 0)
    if not len(inside):
        return -1.0
    directions, label = scale_to_unit(vectors[inside]), labels[inside]
    centroids = np.zeros((int(label.max()) + 1, vectors.shape[1]), np.float32)
    np.add.at(centroids, label, directions)
    return float(np.quantile(np.einsum("ij,ij->i", directions, scale_to_unit(centroids)[label]), LOW))
