"""What the neural clusterers share: a fixed first layer, small networks that torch trains and numpy runs, pairs of
neighbours to learn from, and the hierarchy over what was learned. torch is needed to fit, not to predict."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from indexers.clusterers.base import Clusterer, Ints, ProgressCallback, Rows, find_nearest_centre
from indexers.devices import pick_device
from indexers.errors import BadSetting, MissingPackage

Floats = NDArray[np.float32]
COMPONENTS = 128
"""Principal components that a network sees, at most."""
WIDTH = 256
"""Units of a hidden layer."""
BATCH, LEAST = 512, 32
"""Rows of a step: an eighth of all, within these bounds, so that few rows make many steps too."""
LEAVES = 1000
"""Leaves of a hierarchy beyond which rows are first brought together by k-means."""


class NeuralClusterer(TransformerMixin, Clusterer):  # type: ignore[misc]
    """Rows, reduced by PCA, train networks; the networks' codes are clustered by Ward's method, and the clusters of its
    cut by k-means from there on, whose centres predict.

    A member implements `_train`, which leaves its networks in the attributes that `networks` names.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "dimension": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "random_state": ["random_state"],
    }
    learned = ("mean_", "axes_", "cluster_centers_")
    networks: ClassVar[tuple[str, ...]] = ()
    """The attributes that hold networks, each a list of layers."""
    uses_neighbours = True

    def _fit(self, rows: Rows, neighbours: Ints | None, progress: ProgressCallback) -> None:
        self.mean_, self.axes_ = fit_principal_axes(rows)
        seen = self._project(rows).astype(np.float32)
        if neighbours is None:
            neighbours = find_nearest_rows(seen, self.n_neighbors)
        training = Training(seen, neighbours[:, : self.n_neighbors], self.device, self.random_state, progress)
        distinct = len(np.unique(rows, axis=0))
        found = self._train(training, rows, min(self.n_clusters, distinct))
        self.children_, self.distances_, self.leaves_ = found.children, found.distances, found.leaves
        self.cluster_centers_, self.labels_ = found.centres, found.labels

    @abstractmethod
    def _train(self, training: Training, rows: Rows, clusters: int) -> Hierarchy:
        """Train the networks, set them, and give the clusters of the codes."""

    @abstractmethod
    def _encode(self, rows: Rows) -> Floats:
        """The codes of checked rows."""

    def _project(self, rows: Rows) -> Rows:
        """What the networks see of rows, as exact as they are."""
        return (rows - self.mean_) @ self.axes_

    def _predict(self, rows: Rows) -> Ints:
        return find_nearest_centre(self._encode(rows), self.cluster_centers_)

    def transform(self, X: Any) -> Floats:  # noqa: N803
        """The code of each row of X, (n, d): float32 (n, dimension). Rows of a cluster lie close together."""
        check_is_fitted(self)
        return self._encode(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # codes are float32 whatever came
        return tags

    def get_state(self) -> dict[str, NDArray[Any]]:
        layers = {f"{name}.{place}": layer for name in self.networks for place, layer in enumerate(getattr(self, name))}
        return super().get_state() | layers

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        for name in self.networks:
            count = sum(key.startswith(f"{name}.") for key in state)
            setattr(self, name, [state[f"{name}.{place}"] for place in range(count)])
        return super().set_state(state)


# ---- networks


def import_torch() -> Any:
    """torch. Raises MissingPackage."""
    try:
        import torch
    except ImportError as error:
        raise MissingPackage("this clusterer trains with the package 'torch': pip install 'nearkin[models]'") from error
    return torch


def run_network(layers: list[Any], rows: Any) -> Any:
    """Rows (n, first) through fully connected layers with ReLU between them, arrays of numpy's or of torch's. Each
    layer is one matrix, whose last row is the bias."""
    for layer in layers[:-1]:
        rows = (rows @ layer[:-1] + layer[-1]).clip(0)
    return rows @ layers[-1][:-1] + layers[-1][-1]


class Training:
    """One fit: its rows on their device, its random numbers, which leave those of torch and numpy alone, its steps."""

    def __init__(
        self, seen: Floats, neighbours: Ints, device: str, random_state: Any, progress: ProgressCallback
    ) -> None:
        self.torch = import_torch()
        try:
            self.device = pick_device(device)
        except BadSetting as error:
            raise ValueError(str(error)) from error
        self.seed = int(check_random_state(random_state).randint(2**31 - 1))
        self.random = self.torch.Generator().manual_seed(self.seed)  # the CPU's: the same numbers on every device
        self.progress = progress
        self.rows = self.torch.from_numpy(seen).to(self.device)
        self.near = self.torch.from_numpy(np.pad(neighbours, ((0, 0), (0, 1)), constant_values=-1))
        self.known = (self.near >= 0).sum(1)
        self.weight = self.torch.ones(len(seen))
        """How often each row is drawn, as a proportion."""
        self.batch = min(BATCH, max(len(seen) // 8, min(LEAST, len(seen))))

    def create_network(self, *widths: int) -> list[Any]:
        """Random layers of these widths, with parameters uniform below one over the square root of their inputs."""
        return [self._layer(first, last) for first, last in pairwise(widths)]

    def _layer(self, first: int, last: int) -> Any:
        values = (2 * self.torch.rand(first + 1, last, generator=self.random) - 1) / first**0.5
        return self.create_parameter(values)

    def create_parameter(self, values: Any) -> Any:
        return self.torch.as_tensor(values, dtype=self.torch.float32, device=self.device).requires_grad_()

    def draw_normal(self, *shape: int) -> Any:
        return self.torch.randn(*shape, generator=self.random).to(self.device)

    def draw_pairs(self) -> tuple[Any, Any]:
        """A batch of rows, and a neighbour of each at random (the row itself if it has none)."""
        chosen = self.torch.multinomial(self.weight, self.batch, generator=self.random)
        known = self.known[chosen]
        place = (self.torch.rand(len(chosen), generator=self.random) * known).long().minimum(known - 1)
        other = self.torch.where(known > 0, self.near[chosen, place], chosen)
        return self.rows[chosen.to(self.device)], self.rows[other.to(self.device)]

    def minimise(self, loss: Callable[[Any, Any], Any], parameters: list[Any], epochs: int, rate: float) -> None:
        """Adam (Kingma and Ba 2015) with a rate that rises and falls once (Smith and Topin 2019)."""
        optim = self.torch.optim
        steps = max(epochs * -(-len(self.rows) // self.batch), 20)
        adam = optim.Adam(parameters, lr=rate)
        schedule = optim.lr_scheduler.OneCycleLR(adam, rate, total_steps=steps, pct_start=0.1, cycle_momentum=False)
        for step in range(steps):
            adam.zero_grad()
            loss(*self.draw_pairs()).backward()
            adam.step()
            schedule.step()
            self.progress(step + 1, steps, "training")


def copy_to_numpy(layers: list[Any]) -> list[Floats]:
    """A network as it is now, as numpy's arrays."""
    return [layer.detach().cpu().numpy().copy() for layer in layers]


# ---- losses


def compute_squared_distances(rows: Any, others: Any) -> Any:
    """Squared distances of all pairs, torch's (n, m)."""
    lengths = rows.square().sum(1)[:, None] + others.square().sum(1)
    return (lengths - 2 * rows @ others.T).clip(0)


def compute_contrastive_loss(codes: Any, others: Any) -> Any:
    """How badly each row's neighbour is told from the neighbours of the other rows, by Student's t."""
    similarity = -compute_squared_distances(codes, others).log1p()
    return (similarity.logsumexp(1) - similarity.diagonal()).mean()


# ---- rows and codes


def fit_principal_axes(rows: Rows) -> tuple[Rows, Rows]:
    """The mean of the rows, and the axes (d, COMPONENTS or fewer) that bring them to their principal components, with a
    mean square of one."""
    mean = rows.mean(0, dtype=np.float64).astype(rows.dtype)
    centred = rows - mean
    variance, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(rows))
    rounding = (np.finfo(rows.dtype).eps * np.abs(rows).max()) ** 2 * len(variance)
    kept = max(int(np.count_nonzero(variance[-COMPONENTS:] > max(rounding, 1e-7 * variance[-1]))), 1)
    variance, axes = variance[-kept:], axes[:, -kept:]
    scale = 1 / np.sqrt(variance.mean()) if variance[-1] > rounding else 0.0
    return mean, (axes * scale).astype(rows.dtype)


def find_nearest_rows(seen: Floats, count: int) -> Ints:
    """The rows nearest to each but itself, nearest first, int64 (n, k). Euclidean: not all rows are of unit length."""
    count = min(count, len(seen) - 1)
    if not count:
        return np.empty((len(seen), 0), np.int64)
    found: Ints = NearestNeighbors(n_neighbors=count).fit(seen).kneighbors(return_distance=False)
    return found


@dataclass(frozen=True)
class Hierarchy:
    """children, distances: of Ward's tree over leaves, as AgglomerativeClustering has them. leaves: int64 (n,), the
    leaf of each row. centres: float32 (k, d). labels: int64 (n,), the nearest centre of each row."""

    children: Ints
    distances: NDArray[np.float64]
    leaves: Ints
    centres: Floats
    labels: Ints


def build_hierarchy(codes: Floats, clusters: int, seed: int) -> Hierarchy:
    """Ward's tree (1963), cut into so many clusters, whose means are where k-means begins: the cut of a tree can't
    mend an early merge (Husson, Josse and Pagès 2010)."""
    leaves, centres = _leaves(codes, clusters, seed)
    if len(centres) == 1:  # scikit-learn's tree begins with two
        children, distances, label = np.empty((0, 2), np.int64), np.empty(0), leaves
    else:
        tree = AgglomerativeClustering(clusters, linkage="ward", compute_full_tree=True, compute_distances=True)
        tree.fit(centres)
        children, distances, label = tree.children_.astype(np.int64), tree.distances_, tree.labels_
    start = compute_means(codes, label[leaves])
    found = KMeans(len(start), init=start, n_init=1).fit(codes)
    used, labels = np.unique(found.labels_, return_inverse=True)
    return Hierarchy(children, distances, leaves, found.cluster_centers_[used], labels.astype(np.int64))


def _leaves(codes: Floats, clusters: int, seed: int) -> tuple[Ints, Floats]:
    """The leaf of each row, and where the leaves lie."""
    count = max(LEAVES, 4 * clusters)
    if len(codes) <= 2 * count:
        return np.arange(len(codes)), codes
    count = min(count, len(np.unique(codes, axis=0)))
    found = KMeans(count, n_init=1, max_iter=20, random_state=seed).fit(codes)
    return found.labels_.astype(np.int64), found.cluster_centers_


def compute_means(codes: Floats, labels: Ints) -> Floats:
    """The mean of the codes of each label."""
    return np.stack([codes[labels == label].mean(0) for label in range(labels.max() + 1)])
