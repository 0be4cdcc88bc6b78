"""Deep hierarchical clustering: an encoder that puts neighbours into the same cluster, and a tree over its codes."""

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
AUXILIARY_WEIGHT = 0.1
"""The weight of the reconstruction loss, and in the second half of the contrastive loss too, beside the main loss."""
MOMENTUM = 0.9
"""The share of the joint distribution of clusters that carries over from step to step: one batch has too few pairs for
many clusters."""


class Deep(NeuralClusterer):
    """An encoder that is trained to give a row and its neighbours the same cluster, then Ward's tree over its codes.

    As in DEC (Xie, Girshick and Farhadi 2016), an autoencoder is trained first, then the encoder and the cluster
    centres together, with soft assignments by Student's t; as in IDEC (Guo et al. 2017), reconstruction stays in the
    loss. Two things differ. First, the autoencoder also learns which rows of a batch are neighbours (the contrastive
    form of t-SNE: Damrich et al. 2023, with an encoder as in N2D: McConville et al. 2021). Second, the clustering loss
    is the mutual information between the cluster of a row and that of its neighbour (Ji, Henriques and Vedaldi 2019;
    neighbours in place of augmented copies as in SCAN: Van Gansbeke et al. 2020), which favours certain assignments and
    clusters that are not empty, without prescribing sizes. DEC's own target only sharpens what k-means began with.

    The network sees up to 128 principal components. Training time is in proportion to rows times epochs.

    Parameters
    ----------
    n_clusters: the number of clusters at which the tree is cut, whose means k-means starts from.
    n_neighbors: the largest number of neighbours per row to learn from.
    dimension: of a code.
    epochs: passes over the rows.
    device: auto, cpu, cuda, cuda:N or mps.
    random_state: as in scikit-learn; on a GPU the same seed gives the same start, but sums may round differently.

    Attributes
    ----------
    cluster_centers_: float32 (k, dimension).
    children_: int64 (leaves - 1, 2), distances_: float64 (leaves - 1,): the merges of Ward's tree over leaves, as
        AgglomerativeClustering has them. Its cut into `n_clusters` is where k-means starts, which then moves rows from
        cluster to cluster: `labels_` is what k-means ends with, the nearest centre of each row, and no cut of the tree.
    leaves_: int64 (n,), the leaf of each row: its own, or beyond 2,000 rows one of 1,000 small groups.
    encoder_: a list of float32 matrices, one per layer, each with the bias as its last row.
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

    def _train(self, training: Training, rows: Rows, n_clusters: int) -> Hierarchy:
        model, epochs = Model(training, self.dimension), -(-self.epochs // 2)
        training.minimise(model.compute_neighbour_loss, model.parameters, epochs, RATE)
        self.encoder_ = copy_to_numpy(model.encoder)
        model.set_centres(build_hierarchy(self._encode(rows), n_clusters, training.seed).centres)
        training.minimise(model.compute_cluster_loss, [*model.parameters, model.centres], epochs, RATE / 2)
        self.encoder_ = copy_to_numpy(model.encoder)
        return build_hierarchy(self._encode(rows), n_clusters, training.seed)


class Model:
    """The networks in training, the centres, and the joint distribution of the clusters of rows and of neighbours."""

    def __init__(self, training: Training, dimension: int) -> None:
        width = training.rows.shape[1]
        self.training = training
        self.encoder = training.create_network(width, WIDTH, WIDTH, dimension)
        self.decoder = training.create_network(dimension, WIDTH, width)
        self.parameters = [*self.encoder, *self.decoder]

    def set_centres(self, centres: Floats) -> None:
        """Set the start centres of the second half."""
        self.centres = self.training.create_parameter(centres)
        self.joint: Any = None

    def compute_neighbour_loss(self, rows: Any, neighbours: Any) -> Any:
        """Compute the loss of the first half: the contrastive loss, and reconstruction."""
        codes, neighbour_codes = run_network(self.encoder, rows), run_network(self.encoder, neighbours)
        return compute_contrastive_loss(codes, neighbour_codes) + AUXILIARY_WEIGHT * self._compute_misfit(rows, codes)

    def compute_cluster_loss(self, rows: Any, neighbours: Any) -> Any:
        """Compute the loss of the second half: shared clusters, and with a small weight the loss of the first half."""
        codes, neighbour_codes = run_network(self.encoder, rows), run_network(self.encoder, neighbours)
        information = self._compute_mutual_information(
            compute_soft_assignment(codes, self.centres), compute_soft_assignment(neighbour_codes, self.centres)
        )
        auxiliary = compute_contrastive_loss(codes, neighbour_codes) + self._compute_misfit(rows, codes)
        return AUXILIARY_WEIGHT * auxiliary - information

    def _compute_misfit(self, rows: Any, codes: Any) -> Any:
        """Compute the mean squared error of the reconstruction."""
        return (run_network(self.decoder, codes) - rows).square().mean()

    def _compute_mutual_information(self, assignment: Any, neighbour_assignment: Any) -> Any:
        """Compute the mutual information between the clusters of rows and of their neighbours. Their joint distribution
        is a running mean over batches, and the gradient is exact at that mean."""
        joint = assignment.T @ neighbour_assignment / len(assignment)
        joint = (joint + joint.T) / 2
        batch_joint = joint.detach()
        self.joint = batch_joint if self.joint is None else MOMENTUM * self.joint + (1 - MOMENTUM) * batch_joint
        share = self.joint.sum(1)
        return (joint * (self.joint / (share[:, None] * share)).clip(1e-12).log()).sum()


def compute_soft_assignment(codes: Any, centres: Any) -> Any:
    """Compute soft assignments, (n, k), by Student's t with one degree of freedom (DEC, equation 1)."""
    similarity = 1 / (1 + compute_squared_distances(codes, centres))
    return similarity / similarity.sum(1, keepdim=True)
