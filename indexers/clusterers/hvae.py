"""A hierarchical variational autoencoder whose upper level is clustered: it can say how well a row fits, and draw what
is typical of a cluster."""

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
TOLD = 0.3
"""What it weighs that a row's neighbour can be told by its upper code."""
STABLE = 0.99
"""The adjusted Rand index between the clusters of two rounds at which the rounds end."""
RANGE = (-6.0, 4.0)
"""Logarithms of variances."""
REWEIGHTED = (0.5, 2.0)
"""How often rows are drawn, by their error over the mean error."""


class Hvae(NeuralClusterer):
    """A variational autoencoder of two levels, trained in rounds: encode, cluster the upper codes by Ward's tree,
    reconstruct, and train again with what was learned, until the clusters stay or the error no longer falls.

    The levels are those of a ladder (Sønderby et al. 2016): the lower level's posterior joins what the row says with
    what the upper level expects. The upper code comes from a neighbour of the row (as the group's code does in
    multi-level autoencoders: Bouchacourt, Tomioka and Nowozin 2018), so that it holds what neighbours have in common,
    and the lower one what is the row's own; a contrastive term keeps information in it (Zhao, Song and Ermon 2019).
    After each round the clusters become the prior of the upper level, a mixture of Gaussians (as in VaDE: Jiang et al.
    2017), and rows are drawn in proportion to their error. The noise of the rows is as the errors say (Rybkin,
    Daniilidis and Levine 2021).

    Parameters
    ----------
    n_clusters: where the tree is cut. n_neighbors: those learned from, per row, at most. dimension: of an upper code.
    epochs: passes over the rows in one round. max_iter: rounds, at most. device, random_state: as Deep has them.

    Attributes
    ----------
    cluster_centers_, children_, distances_, leaves_: as Deep has them. errors_: float64 (n,), the reconstruction error
    of each row; round_errors_: float64 (n_iter_,), their mean after each round. top_, bottom_, below_, decoder_: the
    networks row -> upper level, row -> lower level, upper -> lower level, and both -> row.
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

    # ---- what it can do beside grouping

    def reconstruction_error(self, X: Any) -> Rows:  # noqa: N803
        """The mean squared difference between each row of X, (n, d), and what the model makes of it: float64 (n,)."""
        check_is_fitted(self)
        return self._errors(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))

    def typical(self, cluster: int) -> Floats:
        """What the model makes of a cluster's centre, in the units of the rows: float32 (d,).

        Raises ValueError if there is no such cluster.
        """
        check_is_fitted(self)
        if not 0 <= cluster < len(self.cluster_centers_):
            raise ValueError(f"there is no cluster {cluster}; there are 0 to {len(self.cluster_centers_) - 1}")
        upper = self.cluster_centers_[cluster : cluster + 1]
        typical: Floats = self._decoded(upper, halves(run_network(self.below_, upper))[0])[0].astype(np.float32)
        return typical

    def _encode(self, rows: Rows) -> Floats:
        codes: Floats = halves(run_network(self.top_, self._project(rows)))[0].astype(np.float32)
        return codes

    def _decoded(self, upper: Floats, lower: Floats) -> Rows:
        """Rows in their own units. The axes are orthogonal and of one length, so that their transpose inverts them."""
        seen = run_network(self.decoder_, np.concatenate([upper, lower], 1))
        length = np.square(self.axes_[:, 0]).sum() or 1.0
        rows: Rows = self.mean_ + seen @ self.axes_.T / length
        return rows

    def _errors(self, rows: Rows) -> Rows:
        seen = self._project(rows)
        upper, _ = halves(run_network(self.top_, seen))
        lower, _ = merged(run_network(self.bottom_, seen), run_network(self.below_, upper))
        errors: Rows = np.square(rows - self._decoded(upper, lower)).mean(1, dtype=np.float64)
        return errors

    # ---- training

    def _train(self, training: Training, rows: Rows, clusters: int) -> Hierarchy:
        ladder = Ladder(training, self.dimension)
        rounds, settled = [self._round(ladder, rows, clusters)], False
        while len(rounds) < self.max_iter and not settled:
            last = rounds[-1]
            ladder.learn(last.found.labels, run_network(self.top_, self._project(rows)), last.errors)
            now = self._round(ladder, rows, clusters)
            if now.errors.mean() >= last.errors.mean():
                break
            rounds.append(now)
            settled = adjusted_rand_score(last.found.labels, now.found.labels) >= STABLE
        self._take(rounds[-1].networks)
        self.errors_, self.n_iter_ = rounds[-1].errors, len(rounds)
        self.round_errors_ = np.array([one.errors.mean() for one in rounds])
        return rounds[-1].found

    def _round(self, ladder: Ladder, rows: Rows, clusters: int) -> Round:
        """Train, reconstruct, encode and cluster."""
        training = ladder.training
        training.minimise(ladder.loss, ladder.parameters(), self.epochs, RATE)
        networks = [copy_to_numpy(network) for network in ladder.networks]
        self._take(networks)
        return Round(networks, self._errors(rows), build_hierarchy(self._encode(rows), clusters, training.seed))

    def _take(self, networks: list[list[Floats]]) -> None:
        self.top_, self.bottom_, self.below_, self.decoder_ = networks


@dataclass(frozen=True)
class Round:
    """What a round ended with: networks, errors of the rows, clusters."""

    networks: list[list[Floats]]
    errors: Rows
    found: Hierarchy


class Ladder:
    """The networks in training, and the prior of the upper level: means, logarithms of variances and of shares."""

    def __init__(self, training: Training, dimension: int) -> None:
        wide = training.rows.shape[1]
        self.training, self.dimension = training, dimension
        self.networks = (
            training.create_network(wide, WIDTH, WIDTH, 2 * dimension),
            training.create_network(wide, WIDTH, WIDTH, 2 * LOWER),
            training.create_network(dimension, WIDTH, WIDTH, 2 * LOWER),
            training.create_network(dimension + LOWER, WIDTH, WIDTH, wide),
        )
        nothing = np.zeros((1, dimension), np.float32)
        self._expect(nothing, nothing, np.zeros(1, np.float32))

    def parameters(self) -> list[Any]:
        return [layer for network in self.networks for layer in network]

    def loss(self, rows: Any, near: Any) -> Any:
        """The negative evidence bound per component, with the upper code of `near`."""
        top, bottom, below, decoder = self.networks
        mean, log = halves(run_network(top, near))
        upper = self._drawn(mean, log)
        expected = run_network(below, upper)
        middle, variance = merged(run_network(bottom, rows), expected)
        lower = middle, variance.log()
        both = self.training.torch.cat([upper, self._drawn(*lower)], 1)
        misfit = (run_network(decoder, both) - rows).square().mean().clip(1e-9).log() / 2
        divergence = apart(*lower, *halves(expected)) - (log + 1).sum(1) / 2 - self._likely(upper)
        own, _ = halves(run_network(top, rows))
        return misfit + divergence.mean() / rows.shape[1] + TOLD * compute_contrastive_loss(own, mean)

    def _drawn(self, mean: Any, log: Any) -> Any:
        return mean + self.training.draw_normal(*mean.shape) * e ** (log / 2)

    def _likely(self, upper: Any) -> Any:
        """The logarithm of the prior's density, but for a constant."""
        mean, log, share = self.prior
        square = (upper[:, None] - mean).square() / e**log
        return (share - (log + square).sum(2) / 2).logsumexp(1)

    def learn(self, labels: Ints, coded: Floats, errors: Rows) -> None:
        """Make clusters the prior: their codes vary by what lies between rows and by what each row leaves open. Rows
        with large errors will be drawn more often."""
        mean, log = halves(coded)
        centre = compute_means(mean, labels)
        spread = compute_means(np.square(mean - centre[labels]) + e**log, labels)
        self._expect(centre, np.log(spread), np.log(np.bincount(labels) / len(mean)))
        relative = errors / max(errors.mean(), np.finfo(np.float64).tiny)
        self.training.weight = self.training.torch.from_numpy(relative.clip(*REWEIGHTED))

    def _expect(self, *prior: Any) -> None:
        self.prior = [self.training.create_parameter(part).detach() for part in prior]


def halves(both: Any) -> tuple[Any, Any]:
    """Means and logarithms of variances, each (n, width), of what a network gives, numpy's or torch's."""
    width = both.shape[1] // 2
    return both[:, :width], both[:, width:].clip(*RANGE)


def merged(seen: Any, expected: Any) -> tuple[Any, Any]:
    """Mean and variance of the product of two Gaussians: what the row says and what the upper level expects."""
    (mean, log), (other, other_log) = halves(seen), halves(expected)
    here, there = e**-log, e**-other_log
    variance = 1 / (here + there)
    return (mean * here + other * there) * variance, variance


def apart(mean: Any, log: Any, other: Any, other_log: Any) -> Any:
    """Kullback and Leibler's divergence of one Gaussian from another, (n,)."""
    return (other_log - log + (e**log + (mean - other).square()) / e**other_log - 1).sum(1) / 2
