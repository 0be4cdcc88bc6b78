"""How far a collection has drifted from what a clustering was fitted to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import scale_to_unit
from indexers.catalogue.rows import format_time
from indexers.types import ClusteringRow, Ids
from retrieval.records.clusters import Drift, NamedClustering
from retrieval.spaces.cluster_state import ClusterState
from retrieval.spaces.view import View


def describe_clustering(row: ClusteringRow, state: ClusterState, view: View) -> NamedClustering:
    """Return the record of a clustering with its age and drift."""
    assignment = state.assignment(row.name)
    return NamedClustering(
        name=row.name,
        method=row.method,
        parameters=row.parameters,
        choice=row.choice,
        space=view.space.name,
        clusters=len(assignment.clusters),
        items=len(state.items),
        loose=len(assignment.members(0)),
        made_at=format_time(row.made_at),
        change=row.since,
        as_of=row.position,
        drift=measure_drift(row, state, view),
    )


def measure_drift(row: ClusteringRow, state: ClusterState, view: View) -> Drift:
    """Compare the items of now with those that the clustering was fitted to."""
    new_items = state.items[state.since > row.since]
    remaining = len(state.items) - len(new_items)
    sizes = dict(state.assignment(row.name).clusters)
    sizes_now = np.array([sizes.get(label, 0) for label in row.labels], np.float64)
    return Drift(
        new=len(new_items) / max(len(state.items), 1),
        gone=1 - remaining / max(row.begun["items"], 1),
        shift=measure_shift(np.array(row.begun["sizes"], np.float64), sizes_now),
        strange=_measure_strangeness(row, state, view, new_items) if len(new_items) else None,
    )


def measure_shift(sizes_before: NDArray[np.float64], sizes_now: NDArray[np.float64]) -> float:
    """Return the Jensen-Shannon distance (Endres and Schindelin 2003) of two distributions of sizes, in bits."""
    from scipy.spatial.distance import jensenshannon

    if not sizes_before.sum() or not sizes_now.sum():
        return float(sizes_before.sum() != sizes_now.sum())
    return float(np.nan_to_num(jensenshannon(sizes_before, sizes_now, 2)))


def _measure_strangeness(row: ClusteringRow, state: ClusterState, view: View, new_items: Ids) -> float:
    """Return the share of new items that fit their cluster worse than 19 of 20 items did at the fit."""
    flat, assignment = view.flat.index, state.assignment(row.name)
    new_items = new_items[flat.has(new_items)]
    labels, vectors = assignment.find_labels(new_items), scale_to_unit(flat.take(new_items))
    strange = np.ones(len(new_items), bool)
    for label in np.unique(labels[labels > 0]).tolist():
        older = np.setdiff1d(assignment.members(label), new_items, assume_unique=True)
        if len(older):
            centroid = state.describe(older, flat).centroid
            inside = labels == label
            strange[inside] = vectors[inside] @ centroid < row.begun["low"] * float(np.linalg.norm(centroid))
    return float(strange.mean()) if len(strange) else 0.0
