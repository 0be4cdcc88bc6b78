"""The contract of a clusterer: rows in, groups out, by scikit-learn's interface, in memory and as a file."""

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
from indexers.files import whole

Ints = NDArray[np.int64]
Rows = NDArray[np.floating]
ProgressCallback = Callable[[int, int, str], object]
"""Steps done, steps in all, what is being done."""


class Clusterer(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Rows -> groups. A member of the family has a module of its own, names the paper or the textbook that it comes
    from, checks its parameters by `_parameter_constraints`, and implements `_fit` and `_predict`.

    Parameters are JSON values. The same rows, parameters and `random_state` give the same labels.

    Attributes
    ----------
    labels_: int64 (n,), 0, 1, 2 ... without gaps, of the rows of `fit`; -1 where a row is in no cluster.
    """

    learned: ClassVar[tuple[str, ...]] = ()
    """The fitted attributes, arrays and numbers, that `predict` needs; what is saved."""
    uses_neighbours: ClassVar[bool] = False
    """`fit` takes the neighbours of each row where somebody has them already."""

    def fit(
        self,
        X: Any,  # noqa: N803
        y: Any = None,
        *,
        neighbours: Ints | None = None,
        progress: ProgressCallback | None = None,
    ) -> Self:
        """Group the rows of X, (n, d).

        `neighbours`: int64 (n, k), the rows nearest to each, nearest first, -1 where there are fewer; used by those
        with `uses_neighbours`. `progress` is called now and then in long training.

        Raises ValueError (NaN, too few rows, more clusters than rows, parameters out of range).
        """
        self._validate_params()
        rows = validate_data(self, X, dtype=[np.float64, np.float32])
        wanted = getattr(self, "n_clusters", None)
        if wanted is not None and wanted > len(rows):
            raise ValueError(f"n_clusters={wanted} clusters can't be made of n_samples={len(rows)} rows")
        if neighbours is not None and len(neighbours) != len(rows):
            raise ValueError(f"neighbours has {len(neighbours)} rows, X has n_samples={len(rows)}")
        self._fit(rows, neighbours, progress or ignore_progress)
        return self

    def predict(self, X: Any) -> Ints:  # noqa: N803
        """The cluster of each row of X, (n, d), int64 (n,)."""
        check_is_fitted(self)
        return self._predict(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))

    @abstractmethod
    def _fit(self, rows: Rows, neighbours: Ints | None, progress: ProgressCallback) -> None:
        """Set `labels_` and whatever is `learned`."""

    @abstractmethod
    def _predict(self, rows: Rows) -> Ints:
        """The clusters of checked rows."""

    # ---- as a file

    def get_state(self) -> dict[str, NDArray[Any]]:
        """What is `learned`, as arrays. Raises NotFittedError."""
        check_is_fitted(self)
        return {name: np.ascontiguousarray(getattr(self, name)) for name in (*self.learned, "n_features_in_")}

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Be as fitted as the one was that `state` comes from; `labels_`, which are not saved, are not there."""
        for name in (*self.learned, "n_features_in_"):
            value = state[name]
            setattr(self, name, value if value.ndim else value.item())
        return self

    def to_bytes(self) -> bytes:
        """Parameters and what was learned, as safetensors."""
        from safetensors.numpy import save

        about = {"clusterer": type(self).__name__, "parameters": json.dumps(self.get_params())}
        return bytes(save(self.get_state(), metadata=about))

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """What `to_bytes` gave. Raises StoredFileDamaged, BadSetting (it is of another clusterer)."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            state = load(content)
            size = int.from_bytes(content[:8], "little")
            about = json.loads(content[8 : 8 + size])["__metadata__"]
            name, parameters = about["clusterer"], json.loads(about["parameters"])
        except (SafetensorError, ValueError, KeyError) as error:
            raise StoredFileDamaged(f"this is no saved clusterer: {error}") from error
        if name != cls.__name__:
            raise BadSetting(f"this is a saved {name}, and can't be read as {cls.__name__}")
        return cls(**parameters).set_state(state)

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a file, from which `load` makes one that predicts the same."""
        with whole(Path(path).expanduser()) as partial:
            partial.write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """What `save` wrote. Raises StoredFileDamaged, BadSetting."""
        return cls.from_bytes(Path(path).expanduser().read_bytes())


def ignore_progress(done: int, total: int, what: str) -> None:
    """Nobody asked for progress."""


def renumber_labels(labels: Ints) -> Ints:
    """Labels as 0, 1, 2 ... in the order in which clusters first come up; below 0 stays -1."""
    found = np.full(len(labels), -1, np.int64)
    inside = np.flatnonzero(labels >= 0)
    _, first, place = np.unique(labels[inside], return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    found[inside] = rank[place]
    return found


def find_nearest_centre(rows: Rows, centres: Rows) -> Ints:
    """The centre with the smallest Euclidean distance to each row."""
    found = np.empty(len(rows), np.int64)
    half = 0.5 * np.einsum("ij,ij->i", centres, centres)
    for start in range(0, len(rows), 4096):
        part = rows[start : start + 4096]
        found[start : start + 4096] = (part @ centres.T - half).argmax(1)
    return found
