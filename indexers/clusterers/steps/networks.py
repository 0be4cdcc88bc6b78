"""The steps of the neural clusterers: a fixed projection, small networks that torch trains and numpy runs, pairs of
neighbours to learn from, and the hierarchy over the learned codes. torch is needed to fit, not to predict."""

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
from indexers.devices import import_torch, pick_device
from indexers.errors import BadSetting

Floats = NDArray[np.float32]
COMPONENTS = 128
"""The largest number of principal components that a network sees."""
WIDTH = 256
"""Units of a hidden layer."""
MAX_BATCH, MIN_BATCH = 512, 32
"""Rows of one training step: an eighth of all within these bounds, so that few rows make many steps too."""
LEAVES = 1000
"""Leaves of a hierarchy over more than twice as many rows, which k-means first groups into leaves."""


class NeuralClusterer(TransformerMixin, Clusterer):  # type: ignore[misc]
    """A clusterer of codes. Networks are trained on rows reduced by PCA; their codes are clustered by Ward's method,
    and k-means, started from the cut of that tree, gives the centres that predict.

    A member implements `_encode` and `_train`, which leaves its networks in the attributes that `networks` names.
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
    """The names of the attributes that hold networks, each a list of layers."""
    uses_neighbours = True

    def _fit(self, rows: Rows, neighbours: Ints | None, progress: ProgressCallback) -> None:
        self.mean_, self.axes_ = fit_principal_axes(rows)
        projected = self._project(rows).astype(np.float32)
        if neighbours is None:
            neighbours = find_nearest_rows(projected, self.n_neighbors)
        training = Training(projected, neighbours[:, : self.n_neighbors], self.device, self.random_state, progress)
        n_distinct = len(np.unique(rows, axis=0))
        hierarchy = self._train(training, rows, min(self.n_clusters, n_distinct))
        self.children_, self.distances_, self.leaves_ = hierarchy.children, hierarchy.distances, hierarchy.leaves
        self.cluster_centers_, self.labels_ = hierarchy.centres, hierarchy.labels

    @abstractmethod
    def _train(self, training: Training, rows: Rows, n_clusters: int) -> Hierarchy:
        """Train the networks, set their attributes, and return the hierarchy of the codes."""

    @abstractmethod
    def _encode(self, rows: Rows) -> Floats:
        """Return the codes of rows that have already been validated."""

    def _project(self, rows: Rows) -> Rows:
        """Project rows onto the principal axes: the networks' input, in the precision of the rows."""
        return (rows - self.mean_) @ self.axes_

    def _predict(self, rows: Rows) -> Ints:
        return find_nearest_centre(self._encode(rows), self.cluster_centers_)

    def transform(self, X: Any) -> Floats:  # noqa: N803
        """Return the code of each row of X, (n, d), as float32 (n, dimension). Rows of a cluster lie close together."""
        check_is_fitted(self)
        return self._encode(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # codes are float32 whatever the dtype of X
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


def run_network(layers: list[Any], rows: Any) -> Any:
    """Return the output of a network for rows, (n, first width): fully connected layers with ReLU between them. Layers
    and rows are arrays of numpy or of torch; each layer is one matrix, whose last row is the bias."""
    for layer in layers[:-1]:
        rows = (rows @ layer[:-1] + layer[-1]).clip(0)
    return rows @ layers[-1][:-1] + layers[-1][-1]


class Training:
    """The training of one fit: its rows on their device, its random numbers, which leave the global ones of torch and
    numpy alone, and its steps.

    Raises ValueError (a device that is unknown or not available).
    """

    def __init__(
        self, rows: Floats, neighbours: Ints, device: str, random_state: Any, progress: ProgressCallback
    ) -> None:
        self.torch = import_torch()
        try:
            self.device = pick_device(device)
        except BadSetting as error:
            raise ValueError(str(error)) from error
        self.seed = int(check_random_state(random_state).randint(2**31 - 1))
        self.random = self.torch.Generator().manual_seed(self.seed)  # the CPU's: the same numbers on every device
        self.progress = progress
        self.rows = self.torch.from_numpy(rows).to(self.device)
        self.neighbours = self.torch.from_numpy(np.pad(neighbours, ((0, 0), (0, 1)), constant_values=-1))
        self.neighbour_counts = (self.neighbours >= 0).sum(1)
        self.weight = self.torch.ones(len(rows))
        """How often each row is drawn, as a proportion."""
        self.batch_size = min(MAX_BATCH, max(len(rows) // 8, min(MIN_BATCH, len(rows))))

    def create_network(self, *widths: int) -> list[Any]:
        """Create random layers of these widths, with weights uniform between plus and minus one over the square root of
        the number of inputs."""
        return [self._create_layer(first, last) for first, last in pairwise(widths)]

    def _create_layer(self, n_inputs: int, n_outputs: int) -> Any:
        values = (2 * self.torch.rand(n_inputs + 1, n_outputs, generator=self.random) - 1) / n_inputs**0.5
        return self.create_parameter(values)

    def create_parameter(self, values: Any) -> Any:
        """Return the values as a float32 tensor on the device that records gradients."""
        return self.torch.as_tensor(values, dtype=self.torch.float32, device=self.device).requires_grad_()

    def draw_normal(self, *shape: int) -> Any:
        """Draw standard normal numbers."""
        return self.torch.randn(*shape, generator=self.random).to(self.device)

    def draw_pairs(self) -> tuple[Any, Any]:
        """Draw a batch of rows and a random neighbour of each (the row itself if it has none)."""
        chosen = self.torch.multinomial(self.weight, self.batch_size, generator=self.random)
        counts = self.neighbour_counts[chosen]
        place = (self.torch.rand(len(chosen), generator=self.random) * counts).long().minimum(counts - 1)
        partner = self.torch.where(counts > 0, self.neighbours[chosen, place], chosen)
        return self.rows[chosen.to(self.device)], self.rows[partner.to(self.device)]

    def minimise(self, loss: Callable[[Any, Any], Any], parameters: list[Any], epochs: int, rate: float) -> None:
        """Minimise a loss of pairs by Adam (Kingma and Ba 2015), with a rate that rises and falls once (Smith and Topin
        2019)."""
        optim = self.torch.optim
        steps = max(epochs * -(-len(self.rows) // self.batch_size), 20)
        adam = optim.Adam(parameters, lr=rate)
        schedule = optim.lr_scheduler.OneCycleLR(adam, rate, total_steps=steps, pct_start=0.1, cycle_momentum=False)
        for step in range(steps):
            adam.zero_grad()
            loss(*self.draw_pairs()).backward()
            adam.step()
            schedule.step()
            self.progress(step + 1, steps, "training")


def copy_to_numpy(layers: list[Any]) -> list[Floats]:
    """Copy the present weights of a network to numpy arrays."""
    return [layer.detach().cpu().numpy().copy() for layer in layers]


# ---- losses


def compute_squared_distances(rows: Any, centres: Any) -> Any:
    """Compute the squared distances of all pairs, torch, (n, m)."""
    lengths = rows.square().sum(1)[:, None] + centres.square().sum(1)
    return (lengths - 2 * rows @ centres.T).clip(0)


def compute_contrastive_loss(codes: Any, neighbour_codes: Any) -> Any:
    """Compute how badly each row's neighbour can be told from the neighbours of the other rows, with Student's t as
    the similarity."""
    similarity = -compute_squared_distances(codes, neighbour_codes).log1p()
    return (similarity.logsumexp(1) - similarity.diagonal()).mean()


# ---- rows and codes


def fit_principal_axes(rows: Rows) -> tuple[Rows, Rows]:
    """Return the mean of the rows, (d,), and the axes, (d, COMPONENTS or fewer), that project centred rows onto their
    principal components, scaled to a mean square of one."""
    mean = rows.mean(0, dtype=np.float64).astype(rows.dtype)
    centred = rows - mean
    variance, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(rows))
    rounding = (np.finfo(rows.dtype).eps * np.abs(rows).max()) ** 2 * len(variance)
    n_axes = max(int(np.count_nonzero(variance[-COMPONENTS:] > max(rounding, 1e-7 * variance[-1]))), 1)
    variance, axes = variance[-n_axes:], axes[:, -n_axes:]
    scale = 1 / np.sqrt(variance.mean()) if variance[-1] > rounding else 0.0
    return mean, (axes * scale).astype(rows.dtype)


def find_nearest_rows(rows: Floats, count: int) -> Ints:
    """Find the other rows nearest to each row, nearest first, int64 (n, k). The distance is Euclidean, since rows need
    not have unit length."""
    count = min(count, len(rows) - 1)
    if not count:
        return np.empty((len(rows), 0), np.int64)
    nearest: Ints = NearestNeighbors(n_neighbors=count).fit(rows).kneighbors(return_distance=False)
    return nearest


@dataclass(frozen=True)
class Hierarchy:
    """Ward's tree over leaves, and the clusters that start from its cut.

    children, distances: the merges of the tree, as AgglomerativeClustering has them.
    leaves: int64 (n,), the leaf of each row.
    centres: float32 (k, d).
    labels: int64 (n,), the nearest centre of each row.
    """

    children: Ints
    distances: NDArray[np.float64]
    leaves: Ints
    centres: Floats
    labels: Ints


def build_hierarchy(codes: Floats, n_clusters: int, seed: int) -> Hierarchy:
    """Build Ward's tree (1963) over the codes, cut it into `n_clusters` clusters, and start k-means from their means,
    since the cut of a tree can't undo an early merge (Husson, Josse and Pagès 2010)."""
    leaves, centres = _group_into_leaves(codes, n_clusters, seed)
    if len(centres) == 1:  # scikit-learn's tree needs at least two
        children, distances, leaf_labels = np.empty((0, 2), np.int64), np.empty(0), leaves
    else:
        tree = AgglomerativeClustering(n_clusters, linkage="ward", compute_full_tree=True, compute_distances=True)
        tree.fit(centres)
        children, distances, leaf_labels = tree.children_.astype(np.int64), tree.distances_, tree.labels_
    start = compute_means(codes, leaf_labels[leaves])
    kmeans = KMeans(len(start), init=start, n_init=1).fit(codes)
    used, labels = np.unique(kmeans.labels_, return_inverse=True)
    return Hierarchy(children, distances, leaves, kmeans.cluster_centers_[used], labels.astype(np.int64))


def _group_into_leaves(codes: Floats, n_clusters: int, seed: int) -> tuple[Ints, Floats]:
    """Return the leaf of each code and the centres of the leaves: each code by itself, or small groups if there are
    many codes."""
    count = max(LEAVES, 4 * n_clusters)
    if len(codes) <= 2 * count:
        return np.arange(len(codes)), codes
    count = min(count, len(np.unique(codes, axis=0)))
    kmeans = KMeans(count, n_init=1, max_iter=20, random_state=seed).fit(codes)
    return kmeans.labels_.astype(np.int64), kmeans.cluster_centers_


def compute_means(codes: Floats, labels: Ints) -> Floats:
    """Compute the mean of the codes of each label, (k, d)."""
    return np.stack([codes[labels == label].mean(0) for label in range(labels.max() + 1)])
