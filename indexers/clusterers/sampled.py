"""Any clusterer, fitted on chosen rows only; the others are predicted."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from indexers import plugins
from indexers.clusterers.base import Clusterer, Ints, ProgressCallback, Rows
from indexers.clusterers.steps.sampling import choose_rows


class Sampled(Clusterer):
    """A clusterer fitted on the rows that `sampling.choose_rows` chooses. The other rows are predicted; near copies get
    the label of the row that represents them.

    Parameters
    ----------
    method: the plug-in name of a clusterer, such as "kmeans".
    parameters: its constructor's arguments. If `n_clusters` is larger than the number of chosen rows, it is lowered to
        that number.
    copies, outliers, count, even, random_state: see `sampling.choose_rows`. random_state is passed on to the clusterer
        if that has one and `parameters` sets none.
    predict_outliers: put outliers into the nearest cluster too; otherwise they are in no cluster.

    Attributes
    ----------
    clusterer_: the fitted clusterer.
    sample_: the Sample (not after loading).
    """

    uses_neighbours = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "method": [str],
        "parameters": [dict, None],
        "copies": [Interval(Real, 0, 1, closed="right"), None],
        "outliers": [Interval(Real, 0, 1, closed="left")],
        "count": [Interval(Integral, 1, None, closed="left"), None],
        "even": [Interval(Real, 0, 1, closed="both")],
        "predict_outliers": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        method: str = "kmeans",
        parameters: dict[str, Any] | None = None,
        *,
        copies: float | None = 0.98,
        outliers: float = 0.0,
        count: int | None = None,
        even: float = 0.5,
        predict_outliers: bool = True,
        random_state: Any = None,
    ) -> None:
        self.method = method
        self.parameters = parameters
        self.copies = copies
        self.outliers = outliers
        self.count = count
        self.even = even
        self.predict_outliers = predict_outliers
        self.random_state = random_state

    def _fit(self, rows: Rows, neighbours: Ints | None, progress: ProgressCallback) -> None:
        choice = {name: getattr(self, name) for name in ("copies", "outliers", "count", "even", "random_state")}
        self.sample_ = choose_rows(rows, neighbours, **choice)
        chosen = self.sample_.rows
        self.clusterer_ = self._create_clusterer()
        if (getattr(self.clusterer_, "n_clusters", None) or 0) > len(chosen):
            self.clusterer_.set_params(n_clusters=len(chosen))
        self.clusterer_.fit(rows[chosen], progress=progress)
        labels = np.empty(len(rows), np.int64)
        rest = np.setdiff1d(np.arange(len(rows)), chosen)
        labels[chosen] = self.clusterer_.labels_
        if len(rest):
            labels[rest] = self.clusterer_.predict(rows[rest])
        self.labels_ = self.sample_.spread_labels(labels, outliers=self.predict_outliers)

    def _create_clusterer(self) -> Clusterer:
        clusterer_class = plugins.load_member("nearkin.clusterers", self.method)
        if not issubclass(clusterer_class, Clusterer):
            raise ValueError(f"method={self.method!r} can't predict rows that it was not fitted on; use another method")
        clusterer: Clusterer = clusterer_class(**(self.parameters or {}))
        if clusterer.get_params().get("random_state", 0) is None:
            clusterer.set_params(random_state=self.random_state)
        return clusterer

    def _predict(self, rows: Rows) -> Ints:
        return self.clusterer_.predict(rows)

    def get_state(self) -> dict[str, NDArray[Any]]:
        state = super().get_state()
        inner = {f"clusterer_.{name}": value for name, value in self.clusterer_.get_state().items()}
        return state | inner

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        prefix = "clusterer_."
        inner = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        self.clusterer_ = self._create_clusterer().set_state(inner)
        return super().set_state(state)
