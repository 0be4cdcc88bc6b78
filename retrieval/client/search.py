"""Searching on a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from indexers.types import Json, Neighbours
from retrieval.checks import ItemName
from retrieval.client.clusters import ClusterMethods
from retrieval.client.http import ServedPictures, Where, encode_clusters, read_picture, to_list, to_records
from retrieval.filters import to_json
from retrieval.records.clusters import SomeClusters
from retrieval.records.search import Group, Hit, Hits
from retrieval.search.query import ItemOf, Text

Picture = Any
"""A path, a file's bytes, a PIL image, a uint8 array."""
NUMBERS_PER_REQUEST = 150_000
"""Coordinates that are sent at a time: as JSON they take 3 of the 4 MB that a request may have."""


class SearchMethods(ClusterMethods):
    """The methods that search."""

    def search(
        self,
        picture: Picture = None,
        *,
        k: int | None = None,
        text: str | None = None,
        item: ItemName | None = None,
        vector: ArrayLike | None = None,
        mix: Sequence[tuple[Any, float]] | None = None,
        query: str | None = None,
        radius: float | None = None,
        where: Where = None,
        diversify: float | None = None,
        pool: int | None = None,
        within: SomeClusters = None,
        exclude: SomeClusters = None,
        per_cluster: int | None = None,
        group: bool = False,
        level: str | None = None,
        metric: str | None = None,
        exact: bool = False,
        at_least: str | float | None = None,
        rerank: str | None = None,
        by: str | None = None,
        region: Sequence[float] | None = None,
        space: str | None = None,
    ) -> Hits:
        """Return what looks like a picture, a text, an item, a vector or a mix of them, best first. See
        Collection.search. Pictures are sent to the server, which keeps them for an hour."""
        upload = None if picture is None else self._upload(picture)
        terms = None if mix is None else [{**self._encode_term(part), "weight": weight} for part, weight in mix]
        body: Json = {
            "upload": upload,
            "text": text,
            "item": item,
            "vector": to_list(vector),
            "mix": terms,
            "query": query,
            "k": k,
            "radius": radius,
            "where": to_json(where),
            "diversify": diversify,
            "pool": pool,
            "within": encode_clusters(within),
            "exclude": encode_clusters(exclude),
            "per_cluster": per_cluster,
            "group": group,
            "level": level,
            "metric": metric,
            "exact": exact,
            "at_least": at_least,
            "rerank": rerank,
            "by": by,
            "region": to_list(region),
            "space": space,
        }
        answer = self._post("/v1/search", {name: value for name, value in body.items() if value is not None})
        groups = tuple(
            Group(self._build_cluster(entry["cluster"]), self._build_hits(entry["hits"])) for entry in answer["groups"]
        )
        unknown_words = tuple(answer["unknown_words"])
        return Hits(self._build_hits(answer["hits"]), answer["as_of"], groups, answer["proof"], unknown_words)

    def _build_hits(self, rows: Sequence[Json]) -> tuple[Hit, ...]:
        """Return hits whose pictures are fetched when they are asked for."""
        pictures = ServedPictures(self._get_bytes)
        return tuple(replace(hit, _pictures=pictures) for hit in to_records(Hit, rows))

    def _encode_term(self, part: Any) -> Json:
        """Return a term of a mix as the server takes it."""
        if isinstance(part, Text):
            return {"text": part.words}
        if isinstance(part, ItemOf):
            return {"item": part.name}
        if isinstance(part, list | tuple) or (isinstance(part, np.ndarray) and part.ndim == 1):
            return {"vector": to_list(part)}
        return {"upload": self._upload(part)}

    def _upload(self, picture: Picture) -> str:
        files = {"picture": ("picture", read_picture(picture))}
        return cast(str, self._request("POST", "/v1/uploads", files=files)["upload"])

    def search_many(
        self,
        vectors: ArrayLike,
        *,
        k: int = 10,
        where: Where = None,
        metric: str | None = None,
        exact: bool = False,
        space: str | None = None,
    ) -> Neighbours:
        """Return the k nearest items of each of n vectors, as arrays. See Collection.search_many. Many vectors are sent
        in several requests; `position` is the change number of the first answer."""
        rows = np.atleast_2d(np.asarray(vectors, np.float64))
        options = {"k": k, "where": to_json(where), "metric": metric, "exact": exact, "space": space}
        given = {name: value for name, value in options.items() if value is not None}
        size = max(1, NUMBERS_PER_REQUEST // max(1, rows.shape[1]))
        answers = [
            self._post("/v1/search/many", {"vectors": rows[start : start + size].tolist(), **given})
            for start in range(0, max(1, len(rows)), size)
        ]
        ids = np.array([row for answer in answers for row in answer["ids"]], np.int64)
        scores = np.array([row for answer in answers for row in answer["scores"]], np.float32)
        scores = np.where(ids >= 0, scores, -np.inf).astype(np.float32)
        return Neighbours(ids, scores, answers[0]["as_of"], all(answer["proved"] for answer in answers))
