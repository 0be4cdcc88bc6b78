"""The contract of a clusterer: rows in, labels out, through scikit-learn's interface, in memory and as a file."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from indexers.errors import BadSetting, StoredFileDamaged
from indexers.files import replace_file

Ints = NDArray[np.int64]
Rows = NDArray[np.floating]
ProgressCallback = Callable[[int, int, str], object]
"""Called with the steps done, the total number of steps and the name of the current activity."""


class Clusterer(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """A clustering algorithm for rows of numbers.

    Each member of the family has a module of its own, names the paper or textbook that it comes from, declares the
    valid range of its parameters in `_parameter_constraints`, and implements `_fit` and `_predict`.

    Parameters are JSON values. The same rows, parameters and `random_state` give the same labels.

    Attributes
    ----------
    labels_: int64 (n,), the cluster of each row given to `fit`: 0, 1, 2 ... without gaps, or -1 for a row in no
        cluster.
    """

    learned: ClassVar[tuple[str, ...]] = ()
    """The fitted attributes, arrays and numbers, that `predict` needs; they are what gets saved."""
    uses_neighbours: ClassVar[bool] = False
    """True if `fit` makes use of a neighbour table that the caller already has."""

    def fit(
        self,
        X: Any,  # noqa: N803
        y: Any = None,
        *,
        neighbours: Ints | None = None,
        progress: ProgressCallback | None = None,
    ) -> Self:
        """Cluster the rows of X, (n, d).

        `neighbours`: int64 (n, k), the rows nearest to each row, nearest first, padded with -1; read only by members
        with `uses_neighbours`. `progress` is called from time to time during long training.

        Raises ValueError (NaN, too few rows, more clusters than rows, parameters out of range).
        """
        self._validate_params()
        rows = validate_data(self, X, dtype=[np.float64, np.float32])
        n_clusters = getattr(self, "n_clusters", None)
        if n_clusters is not None and n_clusters > len(rows):
            raise ValueError(f"n_clusters={n_clusters} clusters can't be made of n_samples={len(rows)} rows")
        if neighbours is not None and len(neighbours) != len(rows):
            raise ValueError(f"neighbours has {len(neighbours)} rows, but X has n_samples={len(rows)}")
        self._fit(rows, neighbours, progress or ignore_progress)
        return self

    def predict(self, X: Any) -> Ints:  # noqa: N803
        """Return the cluster of each row of X, (n, d), as int64 (n,)."""
        check_is_fitted(self)
        return self._predict(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))

    @abstractmethod
    def _fit(self, rows: Rows, neighbours: Ints | None, progress: ProgressCallback) -> None:
        """Set `labels_` and every attribute named in `learned`."""

    @abstractmethod
    def _predict(self, rows: Rows) -> Ints:
        """Return the clusters of rows that have already been validated."""

    # ---- as a file

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return the attributes named in `learned` as arrays. Raises NotFittedError."""
        check_is_fitted(self)
        return {name: np.ascontiguousarray(getattr(self, name)) for name in (*self.learned, "n_features_in_")}

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take over what `get_state` returned from a fitted clusterer. `labels_` is not saved and stays unset."""
        for name in (*self.learned, "n_features_in_"):
            value = state[name]
            setattr(self, name, value if value.ndim else value.item())
        return self

    def to_bytes(self) -> bytes:
        """Return the parameters and the learned state as safetensors."""
        from safetensors.numpy import save

        metadata = {"clusterer": type(self).__name__, "parameters": json.dumps(self.get_params())}
        return bytes(save(self.get_state(), metadata=metadata))

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return the clusterer that `to_bytes` wrote.

        Raises StoredFileDamaged, BadSetting (the content belongs to another class of clusterer).
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            state = load(content)
            header_size = int.from_bytes(content[:8], "little")
            metadata = json.loads(content[8 : 8 + header_size])["__metadata__"]
            name, parameters = metadata["clusterer"], json.loads(metadata["parameters"])
        except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoredFileDamaged(f"not a saved clusterer, or a damaged one: {error}") from error
        if name != cls.__name__:
            raise BadSetting(f"the saved clusterer is a {name}; load it with {name}, not with {cls.__name__}")
        try:
            return cls(**parameters).set_state(state)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise StoredFileDamaged(f"not a saved {cls.__name__}, or a damaged one: {error}") from error

    def save(self, path: str | PathLike[str]) -> None:
        """Write the fitted clusterer to a file, from which `load` restores one with the same predictions."""
        with replace_file(Path(path).expanduser()) as partial:
            partial.write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Return the clusterer that `save` wrote. Raises StoredFileDamaged, BadSetting."""
        return cls.from_bytes(Path(path).expanduser().read_bytes())


def ignore_progress(done: int, total: int, activity: str) -> None:
    """Do nothing: the progress callback of callers that gave none."""


def renumber_labels(labels: Ints) -> Ints:
    """Renumber labels as 0, 1, 2 ... in the order of their first rows; labels below 0 become -1."""
    renumbered = np.full(len(labels), -1, np.int64)
    inside = np.flatnonzero(labels >= 0)
    _, first, place = np.unique(labels[inside], return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    renumbered[inside] = rank[place]
    return renumbered


def find_nearest_centre(rows: Rows, centres: Rows) -> Ints:
    """Return the index of the centre with the smallest Euclidean distance to each row, int64 (n,)."""
    nearest = np.empty(len(rows), np.int64)
    half_square = 0.5 * np.einsum("ij,ij->i", centres, centres)
    for start in range(0, len(rows), 4096):
        block = rows[start : start + 4096]
        nearest[start : start + 4096] = (block @ centres.T - half_square).argmax(1)
    return nearest
