"""Arrays or a graph -> groups: the mathematics of clusters, without a database. Importing this loads nothing; the
estimators bring scikit-learn with them when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indexers.clusterers.agglomeration import GraphAgglomeration
    from indexers.clusterers.base import Clusterer
    from indexers.clusterers.deep import Deep
    from indexers.clusterers.density import Density
    from indexers.clusterers.evoc import Evoc
    from indexers.clusterers.genetic import Genetic
    from indexers.clusterers.hdbscan import Hdbscan
    from indexers.clusterers.hierarchical import Hierarchical
    from indexers.clusterers.hvae import Hvae
    from indexers.clusterers.incremental_kmeans.estimator import IncrementalKMeans
    from indexers.clusterers.kmeans import KMeans
    from indexers.clusterers.sampled import Sampled

__all__ = [
    "Clusterer",
    "Deep",
    "Density",
    "Evoc",
    "Genetic",
    "GraphAgglomeration",
    "Hdbscan",
    "Hierarchical",
    "Hvae",
    "IncrementalKMeans",
    "KMeans",
    "Sampled",
]

MODULES = {
    "Clusterer": "base",
    "Deep": "deep",
    "Density": "density",
    "Evoc": "evoc",
    "Genetic": "genetic",
    "GraphAgglomeration": "agglomeration",
    "Hdbscan": "hdbscan",
    "Hierarchical": "hierarchical",
    "Hvae": "hvae",
    "IncrementalKMeans": "incremental_kmeans.estimator",
    "KMeans": "kmeans",
    "Sampled": "sampled",
}


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
