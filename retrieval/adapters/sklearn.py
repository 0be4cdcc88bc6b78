"""scikit-learn: pictures to vectors as a transformer, and neighbour graphs from an index instead of a scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, validate_data

from indexers import plugins
from indexers.arrays import split_chunks
from indexers.embedders.base import Embedder
from indexers.errors import PictureError, UsageError
from indexers.pictures import images
from indexers.types import Ids, Metric, Vectors
from indexers.vectors.exact import Exact
from indexers.vectors.searcher import SMALL_COLLECTION, Searcher

ROWS = 4096
"""Queries whose neighbours' vectors are held at once."""
METRICS: dict[str, Metric] = {"cosine": "cosine", "euclidean": "l2"}


class ImageEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A transformer from pictures to vectors, float32 (n, d), by any embedder.

    It learns nothing from the pictures; `fit` creates the embedder. A pickle does not hold the embedder; it is created
    again where the pickle is loaded, and other weights there are an error.

    Parameters
    ----------
    embedder: a name (`nearkin embedders` lists them), or an instance of your own.
    settings: of an embedder by name.
    n_jobs: threads that decode and embed, as everywhere in scikit-learn.

    Attributes
    ----------
    fingerprint_: identifies the embedder's weights.

    Raises ValueError (naming what is no picture or can't be read), MissingPackage, WeightsUnavailable.
    """

    def __init__(
        self,
        embedder: str | Embedder = "lite0",
        *,
        settings: Mapping[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.embedder, self.settings, self.n_jobs = embedder, settings, n_jobs

    def fit(self, X: Any = None, y: Any = None) -> Self:  # noqa: N803
        """Create the embedder. X and y are ignored."""
        self._embedder = self._create_embedder()
        self.fingerprint_ = self._embedder.fingerprint()
        self._n_features_out = self._embedder.dimension
        return self

    def transform(self, X: Any) -> Vectors:  # noqa: N803
        """Return vectors, float32 (n, d), of n pictures.

        A picture is a path, bytes, a PIL image or a uint8 array (height, width[, 3 or 4]); X is a list, an array, a
        column of a table, or a table of one column.
        """
        check_is_fitted(self)
        embedder = self._find_embedder()
        parts = list(split_chunks(_to_list(X), embedder.batch_size))
        starts = np.cumsum([0, *map(len, parts)]).tolist()
        jobs = (delayed(_embed_part)(embedder, part, start) for part, start in zip(parts, starts, strict=False))
        vectors = Parallel(n_jobs=self.n_jobs, prefer="threads")(jobs)
        return np.concatenate([np.empty((0, embedder.dimension), np.float32), *vectors])

    def _create_embedder(self) -> Embedder:
        if isinstance(self.embedder, Embedder):
            return self.embedder
        embedder: Embedder = plugins.load_member("nearkin.embedders", self.embedder)(**(self.settings or {}))
        return embedder

    def _find_embedder(self) -> Embedder:
        """Return the embedder, and create it again after unpickling. Raises UsageError if its weights differ."""
        if not hasattr(self, "_embedder"):
            self._embedder = self._create_embedder()
            if self._embedder.fingerprint() != self.fingerprint_:
                raise UsageError(
                    f"the embedder {self._embedder.name!r} has other weights here "
                    f"({self._embedder.fingerprint()[:12]}) than those it was fitted with ({self.fingerprint_[:12]}); "
                    "install the same weights, or fit again"
                )
        return self._embedder

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_embedder"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string, tags.no_validation = False, True, True
        return tags


def _to_list(pictures: Any) -> list[Any]:
    """Return the pictures as a list. Raises ValueError for a single picture where several are expected."""
    if isinstance(pictures, str | bytes) or not isinstance(pictures, Iterable):
        raise UsageError(f"X must be a list of pictures; got a single {type(pictures).__name__}")
    if getattr(pictures, "shape", ())[1:] == (1,):  # a table's only column
        return list(np.asarray(pictures, object)[:, 0])
    return list(pictures)


def _embed_part(embedder: Embedder, pictures: list[Any], start: int) -> Vectors:
    upright = []
    for place, picture in enumerate(pictures, start):
        try:
            upright.append(images.as_picture(picture, embedder.input_size))
        except (PictureError, UsageError) as error:
            raise UsageError(f"picture {place} can't be used: {error}") from error
    return embedder.embed(upright)


class NearkinTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A transformer from rows to the sparse graph of their nearest neighbours, from an approximate index.

    The graph is that of KNeighborsTransformer. Up to 2,000 rows are scanned, which is exact.

    It fits wherever scikit-learn takes a precomputed graph: Isomap, TSNE, SpectralClustering
    (`affinity="precomputed_nearest_neighbors"`), DBSCAN, KNeighborsClassifier.

    Parameters
    ----------
    n_neighbors: neighbours of each row. In mode "distance" the graph has one more, since a fitted row is its own
        nearest neighbour.
    mode: "distance" or "connectivity" (ones).
    metric: "euclidean" or "cosine".
    index: any member of the family `nearkin.vectors`: "hnsw", "exact" ...
    settings: of the index, e.g. {"ef": 400, "threads": 1}.

    Attributes
    ----------
    n_samples_fit_: the number of fitted rows.

    Raises ValueError (NaN, another number of columns, zero rows with cosine, more neighbours than rows),
    UnknownPlugin, BadSetting.
    """

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        mode: str = "distance",
        metric: str = "euclidean",
        index: str = "hnsw",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.n_neighbors, self.mode, self.metric = n_neighbors, mode, metric
        self.index, self.settings = index, settings

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Index the rows of X, (n, d)."""
        self._check_parameters()
        rows = validate_data(self, X, dtype=np.float32, order="C")
        self._searcher = self._build_searcher(rows)
        self.n_samples_fit_ = self._n_features_out = len(rows)
        return self

    def transform(self, X: Any) -> csr_matrix:  # noqa: N803
        """Return the graph, (n, n_samples_fit_), float64; each row holds its neighbours, nearest first."""
        check_is_fitted(self)
        queries = validate_data(self, X, dtype=np.float32, order="C", reset=False)
        k = self.n_neighbors + (self.mode == "distance")
        if k > self.n_samples_fit_:
            raise ValueError(
                f"Expected n_neighbors <= n_samples_fit, but n_neighbors = {k}, n_samples_fit = {self.n_samples_fit_}, "
                f"n_samples = {len(queries)}"
            )
        ids, values = self._find_nearest(queries, k)
        return csr_matrix(
            (values.ravel(), ids.ravel(), np.arange(0, ids.size + 1, k)), shape=(len(queries), self.n_samples_fit_)
        )

    def _check_parameters(self) -> None:
        if not isinstance(self.n_neighbors, int | np.integer) or self.n_neighbors < 1:
            raise ValueError(f"n_neighbors is {self.n_neighbors!r}; it must be a whole number of at least 1")
        for name, options in (("mode", ("distance", "connectivity")), ("metric", tuple(METRICS))):
            if getattr(self, name) not in options:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it can be: {', '.join(options)}")

    def _build_searcher(self, rows: Vectors) -> Searcher:
        metric = METRICS[self.metric]
        index = plugins.load_member("nearkin.vectors", self.index)(rows.shape[1], metric, **(self.settings or {}))
        flat = index if isinstance(index, Exact) else Exact(rows.shape[1], metric)
        scanned = index is flat or len(rows) <= SMALL_COLLECTION
        for member in (flat,) if scanned else (flat, index):
            member.add(np.arange(len(rows)), rows)
            member.flush()
        return Searcher(flat, None if scanned else index)

    def _find_nearest(self, queries: Vectors, k: int) -> tuple[Ids, Any]:
        ids = self._searcher.search(queries, k).ids
        if self.mode == "connectivity":
            return ids, np.ones(ids.shape)
        queries = self._searcher.flat.prepare(queries)
        starts = range(0, len(queries), ROWS)
        values = np.concatenate([self._measure_distances(queries[i : i + ROWS], ids[i : i + ROWS]) for i in starts])
        order = np.argsort(values, axis=1, kind="stable")
        return np.take_along_axis(ids, order, 1), np.take_along_axis(values, order, 1)

    def _measure_distances(self, queries: Vectors, ids: Ids) -> Any:
        """Return distances (queries, k) from differences, so that small ones are right and equal vectors have 0."""
        neighbours = self._searcher.flat.take(ids.ravel()).reshape(*ids.shape, -1)
        apart = neighbours - queries[:, None]
        squares = np.einsum("ijk,ijk->ij", apart, apart).astype(np.float64)
        return squares / 2 if self.metric == "cosine" else np.sqrt(squares)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the rows in place of the index, since not every index can be pickled."""
        state = dict(super().__getstate__())
        if "_searcher" in state:
            state["_searcher"] = self._searcher.flat.take(np.arange(self.n_samples_fit_))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "_searcher"):
            self._searcher = self._build_searcher(state["_searcher"])
