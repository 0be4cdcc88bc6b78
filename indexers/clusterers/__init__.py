"""Clustering algorithms: rows of numbers or a neighbour graph in, cluster labels out. No database and no collection.

    base                  the contract: scikit-learn's interface, and files
    contract              the same contract as a test class to inherit
    kmeans                k-means, scikit-learn's
    incremental_kmeans/   mini-batch k-means that learns from a stream of batches: the partitions of a space
    genetic               a genetic search for better centres, or for their number
    hierarchical          single, complete, average and Ward's linkage over all pairs
    agglomeration         the cluster tree (`indexers.tree`) as an estimator
    density               agglomeration of densities over the neighbour graph
    hdbscan               HDBSCAN, scikit-learn's
    evoc                  EVoC, of the package evoc
    deep                  an encoder trained so that neighbours share a cluster
    hvae                  a hierarchical variational autoencoder with a mixture as its prior
    sampled               any of these fitted on chosen rows; the others are predicted
    steps/                the mathematical steps that several of them share

Importing this package loads nothing; each estimator, and scikit-learn with it, is imported on first use.
"""

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
