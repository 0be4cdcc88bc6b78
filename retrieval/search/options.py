"""What a search is asked for: the parts of its query, its options, and their checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from indexers.catalogue.full_text import Weights, parse_terms
from indexers.errors import BadQuery
from indexers.finders.base import Box
from retrieval.checks import MOST, ItemName, check_whole, is_number, show_value
from retrieval.filters import parse_filter
from retrieval.records.clusters import SomeClusters
from retrieval.search.certainty import parse_at_least
from retrieval.search.diffusion import check_rerank
from retrieval.spaces import scope


class QueryParts(NamedTuple):
    """What a caller asks with: one of these, see Collection.search."""

    picture: Any = None
    text: str | None = None
    item: ItemName | None = None
    vector: ArrayLike | None = None
    mix: Sequence[tuple[Any, float]] | None = None

    def count_given(self) -> int:
        """Return the number of parts that are given."""
        return sum(part is not None for part in self)


class Options(NamedTuple):
    """How to search, see Collection.search. `word_weights` follow from settings of the collection."""

    k: int | None = None
    radius: float | None = None
    where: Mapping[str, Any] | None = None
    diversify: float | None = None
    words: str | None = None
    within: SomeClusters = None
    exclude: SomeClusters = None
    per_cluster: int | None = None
    level: str | None = None
    metric: str | None = None
    pool: int | None = None
    exact: bool = False
    at_least: str | float | None = None
    rerank: str | None = None
    by: str | None = None
    region: Any = None
    word_weights: Weights = Weights()


def check_region(region: Any) -> Box | None:
    """Return the box (x, y, width, height) of a query, in pixels. Raises BadQuery."""
    if region is None:
        return None
    values = region.ravel().tolist() if isinstance(region, np.ndarray) else region
    values = list(values) if isinstance(values, list | tuple) else []
    if len(values) != 4 or not all(is_number(value) for value in values) or values[2] < 1 or values[3] < 1:
        raise BadQuery(f"region is a box (x, y, width, height) in pixels; got {show_value(region)}")
    x, y, width, height = (round(min(max(float(value), -MOST), MOST)) for value in values)
    return x, y, width, height


def check_count(k: Any) -> int | None:
    """Return k as an int, or None. Raises BadQuery."""
    return None if k is None else check_whole(k, "k is the number of hits,")


def check_options(options: Options) -> None:
    """Raise BadQuery or BadFilter for options that make no sense."""
    radius, diversity, words = options.radius, options.diversify, options.words
    if words is not None:
        if not isinstance(words, str):
            raise BadQuery(f"query is words to look for; got {words!r}")
        parse_terms(words)
        if radius is not None or diversity is not None or options.per_cluster is not None:
            raise BadQuery("query= can't be combined with radius=, diversify= or per_cluster=, which need vectors")
    check_count(options.k)
    parse_filter(options.where)
    if radius is not None and not is_number(radius):
        raise BadQuery(f"radius is a number, the lowest score of a hit; got {radius!r}")
    if diversity is not None and not (is_number(diversity) and 0 <= diversity <= 1):
        raise BadQuery(f"diversify is a share from 0 (nearest first) to 1 (as different as can be); got {diversity!r}")
    if options.pool is not None:
        check_whole(options.pool, "pool is the number of nearest items that diversify= chooses from,")
        if diversity is None:
            raise BadQuery("pool= is the number of nearest items that diversify= chooses from; give diversify= too")
    if options.per_cluster is not None:
        check_whole(options.per_cluster, "per_cluster is how many hits one cluster may have,")
        if radius is not None or diversity is not None:
            raise BadQuery("per_cluster= can't be combined with radius= and diversify=")
    if options.by is not None and any((diversity is not None, options.rerank, words is not None)):
        raise BadQuery("by= can't be combined with diversify=, rerank= and query=")
    parse_at_least(options.at_least)
    check_rerank(options.rerank, options._asdict())
    scope.check_clusters(options.within, "within")
    scope.check_clusters(options.exclude, "exclude")
