"""A hierarchical variational autoencoder whose upper level is clustered. It also tells how well a row fits the model,
and what a typical row of a cluster is."""

from __future__ import annotations

from dataclasses import dataclass
from math import e
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import adjusted_rand_score
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from indexers.clusterers.base import Ints, Rows
from indexers.clusterers.steps.networks import (
    WIDTH,
    Floats,
    Hierarchy,
    NeuralClusterer,
    Training,
    build_hierarchy,
    compute_contrastive_loss,
    compute_means,
    copy_to_numpy,
    run_network,
)

RATE = 2e-3
LOWER = 32
"""Dimension of the lower level."""
FREE = 0.1
"""Nats of information about a row that each dimension of the lower level holds at no cost. Without them all but one to
four of the 32 ended as noise that says nothing, and the error was twice as large."""
CONTRAST_WEIGHT = 0.3
"""The weight of the contrastive loss: a row's neighbour should be recognisable by its upper code."""
STABLE = 0.99
"""The adjusted Rand index between the clusters of two rounds at which training ends."""
LOG_VARIANCES = (-6.0, 4.0)
"""The range of the logarithms of variances."""
DRAWING_WEIGHTS = (0.5, 2.0)
"""The range of the weights with which rows are drawn, which are their errors over the mean error."""


class Hvae(NeuralClusterer):
    """A variational autoencoder of two levels, trained in rounds: train, encode, cluster the upper codes by Ward's
    tree and k-means, reconstruct, and train again with the clusters and errors, until the clusters are stable or
    the error no longer falls.

    The levels form a ladder (Sønderby et al. 2016): the posterior of the lower level combines the evidence of the
    row with the expectation of the upper level. The upper code is that of a neighbour of the row (like the group's
    code in multi-level autoencoders: Bouchacourt, Tomioka and Nowozin 2018), so that it holds what neighbours have
    in common, and the lower code what is peculiar to the row. A contrastive term keeps information in the upper
    code (Zhao, Song and Ermon 2019), free bits keep it in each dimension of the lower one (Kingma et al. 2016).
    After each round the clusters become the prior of the upper level, a mixture of Gaussians (as in VaDE: Jiang et
    al. 2017), and rows are drawn in proportion to their error. The noise of the rows is estimated from the errors
    (Rybkin, Daniilidis and Levine 2021).

    Parameters
    ----------
    n_clusters: the number of clusters at which the tree is cut, as in Deep.
    n_neighbors: the largest number of neighbours per row to learn from.
    dimension: of an upper code.
    epochs: passes over the rows in one round.
    max_iter: the largest number of rounds.
    device, random_state: as in Deep.

    Attributes
    ----------
    cluster_centers_, children_, distances_, leaves_: as in Deep; the tree is that of the upper codes of the last round.
    errors_: float64 (n,), the reconstruction error of each row.
    round_errors_: float64 (n_iter_,), the mean error after each round.
    top_, bottom_, below_, decoder_: the networks from a row to the upper level, from a row to the lower level, from the
        upper to the lower level, and from both levels to a row.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NeuralClusterer._parameter_constraints,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }
    networks = ("top_", "bottom_", "below_", "decoder_")

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        n_neighbors: int = 15,
        dimension: int = 10,
        epochs: int = 15,
        max_iter: int = 4,
        device: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_neighbors = n_neighbors
        self.dimension = dimension
        self.epochs = epochs
        self.max_iter = max_iter
        self.device = device
        self.random_state = random_state

    # ---- beyond clustering

    def reconstruction_error(self, X: Any) -> Rows:  # noqa: N803
        """Compute the mean squared difference between each row of X, (n, d), and its reconstruction: float64 (n,)."""
        check_is_fitted(self)
        return self._compute_errors(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))

    def typical(self, cluster: int) -> Floats:
        """Return the row that the model generates from a cluster's centre, in the units of the rows: float32 (d,).

        Raises ValueError if there is no such cluster.
        """
        check_is_fitted(self)
        if not 0 <= cluster < len(self.cluster_centers_):
            raise ValueError(f"there is no cluster {cluster}; there are 0 to {len(self.cluster_centers_) - 1}")
        upper = self.cluster_centers_[cluster : cluster + 1]
        lower, _ = split_gaussian(run_network(self.below_, upper))
        typical: Floats = self._decode(upper, lower)[0].astype(np.float32)
        return typical

    def _encode(self, rows: Rows) -> Floats:
        codes: Floats = split_gaussian(run_network(self.top_, self._project(rows)))[0].astype(np.float32)
        return codes

    def _decode(self, upper: Floats, lower: Floats) -> Rows:
        """Return rows in their own units. The axes are orthogonal and equally long, so their transpose inverts them."""
        projected = run_network(self.decoder_, np.concatenate([upper, lower], 1))
        squared_length = np.square(self.axes_[:, 0]).sum() or 1.0
        rows: Rows = self.mean_ + projected @ self.axes_.T / squared_length
        return rows

    def _compute_errors(self, rows: Rows) -> Rows:
        projected = self._project(rows)
        upper, _ = split_gaussian(run_network(self.top_, projected))
        lower, _ = multiply_gaussians(run_network(self.bottom_, projected), run_network(self.below_, upper))
        errors: Rows = np.square(rows - self._decode(upper, lower)).mean(1, dtype=np.float64)
        return errors

    # ---- training

    def _train(self, training: Training, rows: Rows, n_clusters: int) -> Hierarchy:
        ladder = Ladder(training, self.dimension)
        rounds, is_stable = [self._run_round(ladder, rows, n_clusters)], False
        while len(rounds) < self.max_iter and not is_stable:
            last = rounds[-1]
            ladder.learn(last.hierarchy.labels, run_network(self.top_, self._project(rows)), last.errors)
            new = self._run_round(ladder, rows, n_clusters)
            if new.errors.mean() >= last.errors.mean():
                break
            rounds.append(new)
            is_stable = adjusted_rand_score(last.hierarchy.labels, new.hierarchy.labels) >= STABLE
        self._set_networks(rounds[-1].networks)
        self.errors_, self.n_iter_ = rounds[-1].errors, len(rounds)
        self.round_errors_ = np.array([finished.errors.mean() for finished in rounds])
        return rounds[-1].hierarchy

    def _run_round(self, ladder: Ladder, rows: Rows, n_clusters: int) -> Round:
        """Train, reconstruct, encode and cluster."""
        training = ladder.training
        training.minimise(ladder.compute_loss, ladder.list_parameters(), self.epochs, RATE)
        networks = [copy_to_numpy(network) for network in ladder.networks]
        self._set_networks(networks)
        hierarchy = build_hierarchy(self._encode(rows), n_clusters, training.seed)
        return Round(networks, self._compute_errors(rows), hierarchy)

    def _set_networks(self, networks: list[list[Floats]]) -> None:
        self.top_, self.bottom_, self.below_, self.decoder_ = networks


@dataclass(frozen=True)
class Round:
    """The outcome of one round: the networks, the error of each row, the clusters."""

    networks: list[list[Floats]]
    errors: Rows
    hierarchy: Hierarchy


class Ladder:
    """The networks in training, and the prior of the upper level: means, log variances and log shares of its Gaussians.

    A network gives a Gaussian as one array (n, 2 * width): means, then logarithms of variances.
    """

    def __init__(self, training: Training, dimension: int) -> None:
        width = training.rows.shape[1]
        self.training, self.dimension = training, dimension
        self.networks = (
            training.create_network(width, WIDTH, WIDTH, 2 * dimension),
            training.create_network(width, WIDTH, WIDTH, 2 * LOWER),
            training.create_network(dimension, WIDTH, WIDTH, 2 * LOWER),
            training.create_network(dimension + LOWER, WIDTH, WIDTH, width),
        )
        zeros = np.zeros((1, dimension), np.float32)
        self._set_prior(zeros, zeros, np.zeros(1, np.float32))

    def list_parameters(self) -> list[Any]:
        """Return the layers of all networks."""
        return [layer for network in self.networks for layer in network]

    def compute_loss(self, rows: Any, neighbours: Any) -> Any:
        """Compute the negative evidence bound per component, with the upper codes of the neighbours and FREE nats in
        each lower dimension, plus the weighted contrastive loss."""
        top, bottom, below, decoder = self.networks
        upper_mean, upper_log_variance = split_gaussian(run_network(top, neighbours))
        upper = self._draw(upper_mean, upper_log_variance)
        expected = run_network(below, upper)
        lower_mean, lower_variance = multiply_gaussians(run_network(bottom, rows), expected)
        lower = lower_mean, lower_variance.log()
        codes = self.training.torch.cat([upper, self._draw(*lower)], 1)
        misfit = (run_network(decoder, codes) - rows).square().mean().clip(1e-9).log() / 2
        lower_divergence = compute_divergence(*lower, *split_gaussian(expected)).mean(0).clip(FREE).sum()
        upper_divergence = -(upper_log_variance + 1).sum(1) / 2 - self._compute_log_prior(upper)
        own_mean, _ = split_gaussian(run_network(top, rows))
        contrast = compute_contrastive_loss(own_mean, upper_mean)
        divergence = lower_divergence + upper_divergence.mean()
        return misfit + divergence / rows.shape[1] + CONTRAST_WEIGHT * contrast

    def _draw(self, mean: Any, log_variance: Any) -> Any:
        return mean + self.training.draw_normal(*mean.shape) * e ** (log_variance / 2)

    def _compute_log_prior(self, upper: Any) -> Any:
        """Compute the logarithm of the prior's density at the upper codes, up to a constant."""
        mean, log_variance, log_share = self.prior
        square = (upper[:, None] - mean).square() / e**log_variance
        return (log_share - (log_variance + square).sum(2) / 2).logsumexp(1)

    def learn(self, labels: Ints, upper: Floats, errors: Rows) -> None:
        """Make the clusters the prior, and draw rows with large errors more often. `upper`: the Gaussians of
        the upper codes; a cluster's variance is that between their means plus the mean of their own variances."""
        mean, log_variance = split_gaussian(upper)
        centres = compute_means(mean, labels)
        variance = compute_means(np.square(mean - centres[labels]) + e**log_variance, labels)
        self._set_prior(centres, np.log(variance), np.log(np.bincount(labels) / len(mean)))
        relative = errors / max(errors.mean(), np.finfo(np.float64).tiny)
        self.training.weight = self.training.torch.from_numpy(relative.clip(*DRAWING_WEIGHTS))

    def _set_prior(self, *prior: Any) -> None:
        self.prior = [self.training.create_parameter(values).detach() for values in prior]


def split_gaussian(output: Any) -> tuple[Any, Any]:
    """Split the output of a network, of numpy or torch, into means and logarithms of variances, each (n, width)."""
    width = output.shape[1] // 2
    return output[:, :width], output[:, width:].clip(*LOG_VARIANCES)


def multiply_gaussians(a: Any, b: Any) -> tuple[Any, Any]:
    """Return mean and variance of the product of two Gaussians, each given as the output of a network."""
    (mean_a, log_a), (mean_b, log_b) = split_gaussian(a), split_gaussian(b)
    precision_a, precision_b = e**-log_a, e**-log_b
    variance = 1 / (precision_a + precision_b)
    return (mean_a * precision_a + mean_b * precision_b) * variance, variance


def compute_divergence(mean_a: Any, log_a: Any, mean_b: Any, log_b: Any) -> Any:
    """Compute the Kullback-Leibler divergence of Gaussian a from Gaussian b in each dimension, (n, width), from means
    and log variances."""
    return (log_b - log_a + (e**log_a + (mean_a - mean_b) ** 2) / e**log_b - 1) / 2
