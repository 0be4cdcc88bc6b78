"""Deep hierarchical clustering: codes in which neighbours share a cluster, and a tree over them."""

from __future__ import annotations

from typing import Any

import numpy as np

from indexers.clusterers.base import Rows
from indexers.clusterers.networks import (
    WIDTH,
    Floats,
    Hierarchy,
    NeuralClusterer,
    Training,
    arrays,
    contrast,
    hierarchy,
    run,
    squared,
)

RATE = 1e-3
KEPT = 0.1
"""What reconstruction, and in the second half the order of neighbours, weigh beside the loss."""
MEMORY = 0.9
"""The part of the joint distribution of clusters that is remembered from step to step: a batch alone has too few pairs
for many clusters."""


class Deep(NeuralClusterer):
    """An encoder that is trained to give an item and its neighbours the same cluster, then Ward's tree over its codes.

    As in DEC (Xie, Girshick and Farhadi 2016), an autoencoder is trained first, then encoder and cluster centres
    together, with soft assignments by Student's t; as in IDEC (Guo et al. 2017), reconstruction stays in the loss.
    Two things differ. The first half also learns which rows are neighbours, among those of a batch (the contrastive
    form of t-SNE: Damrich et al. 2023, with an encoder as in N2D: McConville et al. 2021). And the clustering loss is
    the mutual information between the cluster of an item and that of its neighbour (Ji, Henriques and Vedaldi 2019;
    neighbours instead of augmented copies as in SCAN: Van Gansbeke et al. 2020), which wants clusters to be sure and
    not empty, without sizes being given. DEC's own target sharpens whatever k-means began with.

    The network sees up to 128 principal components. Training costs in proportion to rows times epochs.

    Parameters
    ----------
    n_clusters: where the tree is cut. n_neighbors: those learned from, per row, at most. dimension: of a code.
    epochs: passes over the rows. device: auto, cpu, cuda, cuda:N or mps. random_state: as in scikit-learn; on a GPU the
    same seed gives the same start, but sums may round differently.

    Attributes
    ----------
    cluster_centers_: float32 (k, dimension). children_: int64 (leaves - 1, 2), distances_: float64 (leaves - 1,), of
    Ward's tree over leaves, as AgglomerativeClustering has them. leaves_: int64 (n,), the leaf of each row: its own, or
    beyond 2,000 rows one of 1,000 small groups. encoder_: float32 matrices, one a layer, the last row its bias.
    """

    networks = ("encoder_",)

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        n_neighbors: int = 15,
        dimension: int = 10,
        epochs: int = 60,
        device: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_neighbors = n_neighbors
        self.dimension = dimension
        self.epochs = epochs
        self.device = device
        self.random_state = random_state

    def _encoded(self, rows: Rows) -> Floats:
        codes: Floats = run(self.encoder_, self._seen(rows)).astype(np.float32)
        return codes

    def _train(self, training: Training, rows: Rows, clusters: int) -> Hierarchy:
        wide = training.rows.shape[1]
        encoder = training.network(wide, WIDTH, WIDTH, self.dimension)
        decoder = training.network(self.dimension, WIDTH, wide)

        def ordered(rows: Any, near: Any) -> tuple[Any, Any, Any, Any]:
            codes, others = run(encoder, rows), run(encoder, near)
            return codes, others, contrast(codes, others), (run(decoder, codes) - rows).square().mean()

        def first(rows: Any, near: Any) -> Any:
            _, _, order, error = ordered(rows, near)
            return order + KEPT * error

        training.minimise(first, [*encoder, *decoder], -(-self.epochs // 2), RATE)
        self.encoder_ = arrays(encoder)
        start = hierarchy(self._encoded(rows), clusters, training.seed)
        centres, shared = training.parameter(start.centres), Agreement()

        def second(rows: Any, near: Any) -> Any:
            codes, others, order, error = ordered(rows, near)
            return shared.loss(assigned(codes, centres), assigned(others, centres)) + KEPT * (order + error)

        training.minimise(second, [*encoder, *decoder, centres], -(-self.epochs // 2), RATE / 2)
        self.encoder_ = arrays(encoder)
        return hierarchy(self._encoded(rows), clusters, training.seed)


def assigned(codes: Any, centres: Any) -> Any:
    """Soft assignments by Student's t with one degree of freedom (DEC, equation 1): (n, k)."""
    near = 1 / (1 + squared(codes, centres))
    return near / near.sum(1, keepdim=True)


class Agreement:
    """Minus the mutual information between the clusters of items and of their neighbours, whose joint distribution is a
    running mean over batches; its gradient is exact where that mean is."""

    def __init__(self) -> None:
        self.joint: Any = None

    def loss(self, soft: Any, others: Any) -> Any:
        joint = soft.T @ others / len(soft)
        joint = (joint + joint.T) / 2
        seen = joint.detach()
        self.joint = seen if self.joint is None else MEMORY * self.joint + (1 - MEMORY) * seen
        share = self.joint.sum(1)
        return -(joint * (self.joint / (share[:, None] * share)).clip(1e-12).log()).sum()
