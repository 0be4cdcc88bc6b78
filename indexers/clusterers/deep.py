"""Deep hierarchical clustering: codes in which neighbours share a cluster, and a tree over them."""

from __future__ import annotations

from typing import Any

import numpy as np

from indexers.clusterers.base import Rows
from indexers.clusterers.steps.networks import (
    WIDTH,
    Floats,
    Hierarchy,
    NeuralClusterer,
    Training,
    build_hierarchy,
    compute_contrastive_loss,
    compute_squared_distances,
    copy_to_numpy,
    run_network,
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

    def _encode(self, rows: Rows) -> Floats:
        codes: Floats = run_network(self.encoder_, self._project(rows)).astype(np.float32)
        return codes

    def _train(self, training: Training, rows: Rows, clusters: int) -> Hierarchy:
        model, half = Model(training, self.dimension), -(-self.epochs // 2)
        training.minimise(model.ordered, model.parameters, half, RATE)
        self.encoder_ = copy_to_numpy(model.encoder)
        model.begin(build_hierarchy(self._encode(rows), clusters, training.seed).centres)
        training.minimise(model.shared, [*model.parameters, model.centres], half, RATE / 2)
        self.encoder_ = copy_to_numpy(model.encoder)
        return build_hierarchy(self._encode(rows), clusters, training.seed)


class Model:
    """The networks in training, the centres, and the joint distribution of the clusters of rows and of neighbours."""

    def __init__(self, training: Training, dimension: int) -> None:
        wide = training.rows.shape[1]
        self.training = training
        self.encoder = training.create_network(wide, WIDTH, WIDTH, dimension)
        self.decoder = training.create_network(dimension, WIDTH, wide)
        self.parameters = [*self.encoder, *self.decoder]

    def begin(self, centres: Floats) -> None:
        """Where the clusters of the second half start."""
        self.centres = self.training.create_parameter(centres)
        self.joint: Any = None

    def ordered(self, rows: Any, near: Any) -> Any:
        """The loss of the first half: neighbours among others, and reconstruction."""
        codes, others = run_network(self.encoder, rows), run_network(self.encoder, near)
        return compute_contrastive_loss(codes, others) + KEPT * self._misfit(rows, codes)

    def shared(self, rows: Any, near: Any) -> Any:
        """The loss of the second half: clusters first."""
        codes, others = run_network(self.encoder, rows), run_network(self.encoder, near)
        agreement = self._agreement(assigned(codes, self.centres), assigned(others, self.centres))
        return KEPT * (compute_contrastive_loss(codes, others) + self._misfit(rows, codes)) - agreement

    def _misfit(self, rows: Any, codes: Any) -> Any:
        return (run_network(self.decoder, codes) - rows).square().mean()

    def _agreement(self, soft: Any, others: Any) -> Any:
        """The mutual information between the clusters of items and of their neighbours. Their joint distribution is a
        running mean over batches, and the gradient is exact where that mean is."""
        joint = soft.T @ others / len(soft)
        joint = (joint + joint.T) / 2
        seen = joint.detach()
        self.joint = seen if self.joint is None else MEMORY * self.joint + (1 - MEMORY) * seen
        share = self.joint.sum(1)
        return (joint * (self.joint / (share[:, None] * share)).clip(1e-12).log()).sum()


def assigned(codes: Any, centres: Any) -> Any:
    """Soft assignments by Student's t with one degree of freedom (DEC, equation 1): (n, k)."""
    near = 1 / (1 + compute_squared_distances(codes, centres))
    return near / near.sum(1, keepdim=True)
