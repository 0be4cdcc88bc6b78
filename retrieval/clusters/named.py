"""Clusterings by name, beside the tree: made by any method, kept with what they learned, followed as pictures come."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from indexers import plugins
from indexers.arrays import scale_to_unit
from indexers.catalogue.metadata import is_text
from indexers.catalogue.snapshot import Snapshot, moment
from indexers.errors import BadQuery, BadSetting, ClusteringNotFound, MissingPackage, UsageError
from indexers.followers.clusterings import SAMPLING_CLUSTERER, FittedClustering, read_vectors
from indexers.types import LEVELS, ClusteringRow, Ids, Json, Vectors
from retrieval.answers import Answers
from retrieval.checks import check_whole, is_number
from retrieval.records.clusters import Drift, NamedClustering
from retrieval.records.items import FIELDS, VECTOR
from retrieval.spaces.cluster_state import ClusterState
from retrieval.spaces.view import View, find_cluster_state

if TYPE_CHECKING:
    from indexers.clusterers.base import ProgressCallback

NAME = re.compile(r"[A-Za-z][\w-]{0,63}")
COPIES = 0.98
"""The cosine from which on two vectors count once."""
LOW = 0.05
"""The share of a clustering's own items that would count as strange."""


class Rows(NamedTuple):
    """What a clusterer is given: items (n,), vectors (n, d), and the places of the neighbours of each (n, k)."""

    items: Ids
    vectors: Vectors
    neighbours: Ids | None
    position: int


class Clusterings(Answers):
    """The part of a collection that makes and keeps clusterings by name."""

    def make_clustering(
        self,
        name: str,
        method: str = "kmeans",
        *,
        k: int | None = None,
        threshold: float | None = None,
        settings: Mapping[str, Any] | None = None,
        sample: int | None = None,
        once_per_copy: bool = False,
        without_outliers: float = 0.0,
        progress: ProgressCallback | None = None,
    ) -> NamedClustering:
        """Cluster the current space by a method of your choice, and keep the result under a name beside the tree.

        `method`: kmeans, hierarchical, density, deep ..., any member of `nearkin.clusterers` that can be kept; `k`: how
        many clusters, `threshold`: the distance at which it stops, for methods that take it; `settings`: other
        parameters of the method's class in `indexers.clusterers`. It learns from all items, or from chosen ones:
        `sample`, at most so many, spread so that small groups are among them; `once_per_copy`, copies (cosine .98)
        count once; `without_outliers`, a share, those that lie farthest from everything are left out and stay loose.
        All others are put where the model sees them. From then on the name is a level like those of the
        tree: `clusters(name)`, `search(per_cluster=2, level=name)`; its clusters have ids of their own for `cluster`,
        `within`, `rename`; exports have a column of that name. New items are put where the model sees them. A name that
        is there already is made anew, and its clusters keep their ids where they stay the same.

        Raises BadSetting, BadQuery, UnknownPlugin, MissingPackage, UsageError (too few items, and whatever else the
        method refuses), WriterBusy.
        """
        check_name(name)
        parameters = parameters_of(method, k, threshold, settings or {})
        choice = choice_of(sample, once_per_copy, without_outliers)
        return self._make(name, method, parameters, choice, progress)

    def refresh_clustering(self, name: str, *, progress: ProgressCallback | None = None) -> NamedClustering:
        """Make a clustering anew from the items of now, as it was made before; clusters that are still there keep their
        ids and names. Raises ClusteringNotFound."""
        with self._catalogue.snapshot() as snapshot:
            row = _known(snapshot, name)
        return self._make(name, row.method, row.parameters, row.choice, progress)

    def clusterings(self) -> tuple[NamedClustering, ...]:
        """All clusterings by name, with their age and how far the collection has drifted from each."""
        with self._catalogue.snapshot() as snapshot:
            names = [row.name for row in snapshot.clusterings.rows()]
        return tuple(self.clustering(name) for name in names)

    def clustering(self, name: str) -> NamedClustering:
        """One of them. Raises ClusteringNotFound."""
        with self._catalogue.snapshot() as snapshot:
            row = _known(snapshot, name)
            space = next(one.name for one in snapshot.spaces() if one.id == row.space)
        view = self._spaces.view(space)
        assert view is not None
        view.followers.record(let_wait=True)
        with view.followers.current_snapshot() as snapshot:
            row, there = _known(snapshot, name), find_cluster_state(view, snapshot, name)
            assert there is not None
            return _described(row, there, view)

    def drop_clustering(self, name: str) -> None:
        """Forget a clustering; the tree and the pictures stay. Raises ClusteringNotFound."""
        with self._catalogue.transaction() as writing:
            writing.clusterings.drop(_known(writing, name).id)

    def _make(
        self, name: str, method: str, parameters: Json, choice: Json, progress: ProgressCallback | None
    ) -> NamedClustering:
        model = _kind(method)(**parameters)
        parameters = model.get_params()
        if choice:
            model = plugins.load("nearkin.clusterers", SAMPLING_CLUSTERER)(method, parameters, **choice)
        view = self._spaces.view()
        if view is None:
            raise UsageError("the collection is empty; add pictures or vectors first")
        given = self._rows(view, model.uses_neighbours)
        try:
            model.fit(given.vectors, neighbours=given.neighbours, progress=progress)
        except ImportError as error:
            raise MissingPackage(str(error)) from error
        except ValueError as error:
            raise UsageError(f"{method} can't cluster these {len(given.items)} items: {error}") from error
        low = _low(given.vectors, model.labels_)
        with self._catalogue.transaction() as writing:
            other = writing.clusterings.named(name)
            if other and other.space != view.space.id:
                raise UsageError(f"the clustering {name!r} is of another space; drop it first, or choose another name")
            made = FittedClustering(
                name, method, parameters, choice, model, given.items, model.labels_, low, given.position
            )
            view.named.record_clustering(writing, made)
        view.followers.record()
        return self.clustering(name)

    def _rows(self, view: View, neighbours: bool) -> Rows:
        """All items of a space, at one moment; the clusterer then works while others read and write."""
        view.followers.record(let_wait=True)
        with view.followers.complete_snapshot(let_wait=True) as snapshot:
            items = view.flat.index.ids()
            if not len(items):
                raise UsageError("there is no vector to cluster yet; add pictures or vectors first")
            near = view.tree.graph.list_neighbours(items) if neighbours and view.tree else None
            return Rows(items, read_vectors(view.flat, items), near, snapshot.number)


def check_name(name: Any) -> None:
    """Raises BadQuery."""
    if not isinstance(name, str) or not is_text(name) or not NAME.fullmatch(name):
        raise BadQuery(f"a clustering's name is a letter and up to 63 letters, digits, - and _; got {name!r}")
    if name in (*LEVELS, *FIELDS, VECTOR):
        raise BadQuery(f"the name {name!r} means something else already; choose another one")


def _kind(method: str) -> Any:
    kind = plugins.load("nearkin.clusterers", method)
    if not hasattr(kind, "to_bytes"):
        raise BadSetting(f"what {method!r} finds can't be kept by name; methods that can: {', '.join(_methods())}")
    return kind


def _methods() -> list[str]:
    found = []
    for name in sorted(plugins.members("nearkin.clusterers")):
        try:
            if hasattr(plugins.load("nearkin.clusterers", name), "to_bytes"):
                found.append(name)
        except MissingPackage:
            continue
    return found


def parameters_of(method: str, k: Any, threshold: Any, settings: Mapping[str, Any]) -> Json:
    """What the method's class is made with. Raises BadSetting, BadQuery."""
    kind = _kind(method)
    known = {name: one.default for name, one in inspect.signature(kind).parameters.items()}
    given = dict(settings)
    if k is not None:
        given["n_clusters"] = check_whole(k, "k is how many clusters are wanted,")
    if threshold is not None:
        if not is_number(threshold) or threshold < 0:
            raise BadQuery(f"threshold is the distance at which clusters stop to join, from 0 on; got {threshold!r}")
        given["distance_threshold"] = float(threshold)
        if "n_clusters" in known and k is None:
            given["n_clusters"] = None
    unknown = sorted(set(given) - set(known))
    if unknown:
        what = {"n_clusters": "k", "distance_threshold": "threshold"}.get(unknown[0], unknown[0])
        raise BadSetting(f"the method {method!r} takes no {what!r}; it takes: {', '.join(known)}")
    if known.get("n_clusters") is not None and "n_clusters" not in given:
        raise BadQuery(f"the method {method!r} has to be told how many clusters are wanted: k")
    if "random_state" in known:
        given.setdefault("random_state", 0)
    return given


def choice_of(sample: Any, once_per_copy: bool, without_outliers: Any) -> Json:
    """How the items to learn from are chosen, as SAMPLING_CLUSTERER takes it; empty: all are. Raises BadQuery."""
    if not is_number(without_outliers) or not 0 <= without_outliers < 1:
        raise BadQuery(f"without_outliers is the share that is left out, from 0 to below 1; got {without_outliers!r}")
    count = None if sample is None else check_whole(sample, "sample is how many items to learn from,")
    if count is None and not once_per_copy and not without_outliers:
        return {}
    copies = COPIES if once_per_copy else None
    how = {"copies": copies, "outliers": float(without_outliers), "count": count}
    return {**how, "predict_outliers": False, "random_state": 0}


def _known(snapshot: Snapshot, name: str) -> ClusteringRow:
    row = snapshot.clusterings.named(name) if isinstance(name, str) else None
    if row is None:
        names = ", ".join(one.name for one in snapshot.clusterings.rows()) or "none"
        raise ClusteringNotFound(f"there is no clustering {name!r}; there are: {names}")
    return row


def _described(row: ClusteringRow, there: ClusterState, view: View) -> NamedClustering:
    grouping = there.assignment(row.name)
    return NamedClustering(
        name=row.name,
        method=row.method,
        parameters=row.parameters,
        choice=row.choice,
        space=view.space.name,
        clusters=len(grouping.clusters),
        items=len(there.items),
        loose=len(grouping.members(0)),
        made_at=moment(row.made_at),
        change=row.since,
        as_of=row.position,
        drift=_drift(row, there, view),
    )


def _drift(row: ClusteringRow, there: ClusterState, view: View) -> Drift:
    since, count = there.since, max(len(there.items), 1)
    fresh = there.items[since > row.since]
    kept = len(there.items) - len(fresh)
    sizes = dict(there.assignment(row.name).clusters)
    now = np.array([sizes.get(one, 0) for one in row.labels], np.float64)
    return Drift(
        new=len(fresh) / count,
        gone=1 - kept / max(row.begun["items"], 1),
        shift=_distance(np.array(row.begun["sizes"], np.float64), now),
        strange=_strange(row, there, view, fresh) if len(fresh) else None,
    )


def _distance(then: Any, now: Any) -> float:
    """Jensen-Shannon distance (Endres and Schindelin 2003), in bits."""
    from scipy.spatial.distance import jensenshannon

    if not then.sum() or not now.sum():
        return float(then.sum() != now.sum())
    return float(np.nan_to_num(jensenshannon(then, now, 2)))


def _strange(row: ClusteringRow, there: ClusterState, view: View, fresh: Ids) -> float:
    flat, grouping = view.flat.index, there.assignment(row.name)
    fresh = fresh[flat.has(fresh)]
    labels, vectors, found = grouping.find_labels(fresh), scale_to_unit(flat.take(fresh)), np.ones(len(fresh), bool)
    for one in np.unique(labels[labels > 0]).tolist():
        own = np.setdiff1d(grouping.members(one), fresh, assume_unique=True)
        if len(own):
            middle = there.describe(own, flat).centroid
            inside = labels == one
            found[inside] = vectors[inside] @ middle < row.begun["low"] * float(np.linalg.norm(middle))
    return float(found.mean()) if len(found) else 0.0


def _low(vectors: Vectors, labels: Ids) -> float:
    """The cosine to the middle of its own cluster that one in twenty does not reach."""
    inside = np.flatnonzero(labels >= 0)
    if not len(inside):
        return -1.0
    directions, label = scale_to_unit(vectors[inside]), labels[inside]
    middles = np.zeros((int(label.max()) + 1, vectors.shape[1]), np.float32)
    np.add.at(middles, label, directions)
    return float(np.quantile(np.einsum("ij,ij->i", directions, scale_to_unit(middles)[label]), LOW))
