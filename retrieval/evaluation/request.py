"""The records of an evaluation, and what can be asked of one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from indexers import plugins
from indexers.errors import BadQuery
from indexers.types import Json
from retrieval.records.items import Record
from retrieval.search.query import whole

SAMPLE = 20_000
"""Items that are clustered, where there are more."""
RANKED = 100_000
"""Items that are ranked by retrieval, where there are more."""


class Method(NamedTuple):
    """A clusterer by the name of its plug-in, and the parameters that were given."""

    name: str
    parameters: Json

    @property
    def title(self) -> str:
        """`kmeans n_init=10`"""
        return " ".join([self.name, *(f"{key}={json.dumps(value)}" for key, value in self.parameters.items())])


class Wanted(NamedTuple):
    """See Collection.evaluate."""

    labels: str | None
    methods: tuple[Method, ...]
    k: int | None
    spaces: str | Sequence[str] | None
    draws: int
    sample: int
    random_state: int


def named(methods: Any) -> tuple[Method, ...]:
    """Raises BadQuery, UnknownPlugin."""
    if isinstance(methods, str) or not isinstance(methods, Sequence):
        raise BadQuery(f'methods is a list such as ["kmeans", ("partitions", {{"n_clusters": 9}})]; got {methods!r}')
    return tuple(_method(one) for one in methods)


def _method(given: Any) -> Method:
    name, parameters = (given, {}) if isinstance(given, str) else _pair(given)
    plugins.member("nearkin.clusterers", name)
    try:
        return Method(name, json.loads(json.dumps(dict(parameters))))
    except (TypeError, ValueError) as error:
        raise BadQuery(f"the parameters of {name} are JSON values; {parameters!r} are not: {error}") from error


def _pair(given: Any) -> tuple[str, Mapping[str, Any]]:
    match given:
        case (str(name), Mapping() as parameters):
            return name, parameters
    raise BadQuery(f"a method is a name, or a name and its parameters; got {given!r}")


def check(how: Wanted) -> None:
    """Raises BadQuery."""
    if how.labels is not None and not (isinstance(how.labels, str) and how.labels):
        raise BadQuery(f"labels is a metadata key, such as 'class'; got {how.labels!r}")
    if how.k is not None:
        whole(how.k, "k is how many clusters are wanted,")
    whole(how.draws, "draws is how often each clustering is made again,", 0)
    whole(how.sample, "sample is how many items are clustered at most,", 2)
    whole(how.random_state, "random_state is a number that chance starts from,", 0)


@dataclass(frozen=True, slots=True)
class JudgedSpace(Record):
    """An embedder, by how well near items have the same label. `p_at_1`, `p_at_10`: the share of the nearest item, and
    of the ten nearest, with the query's label; `mean_average_precision`: over all items. None without labels.
    `queries`: items that were asked for, out of the collection themselves; `alone`: items that share their label with
    no other, and so were no queries."""

    space: str
    embedder: str | None
    dimension: int
    metric: str
    p_at_1: float | None = None
    p_at_10: float | None = None
    mean_average_precision: float | None = None
    queries: int = 0
    alone: int = 0
    seconds: float = field(default=0.0, compare=False)
    """Of the ranking."""


@dataclass(frozen=True, slots=True)
class JudgedClustering(Record):
    """A clustering and its figures; None where a figure is not to be had, `notes` say why.

    `kind`: level, partitions, stored or method. `loose`: the share of items in no cluster. Beside labels: `ari` and
    `ami` (0 by chance, 1 at best), `nmi`, `purity` (the last two rise with the number of clusters); loose items count
    as clusters of their own, and for purity as wrong. `silhouette` (-1 to 1) and `davies_bouldin` (0 at best), of items
    in clusters. `stability`: the mean ARI, `stability_ami`: AMI, with what is made again without a fifth of the items.
    Of methods: `seconds` and `cpu_seconds` of one fit, `memory` in bytes that it took at most. `error`: why there is
    none."""

    space: str
    name: str
    kind: str
    method: str | None = None
    parameters: Json = field(default_factory=dict)
    clusters: int | None = None
    loose: float | None = None
    ari: float | None = None
    ami: float | None = None
    nmi: float | None = None
    purity: float | None = None
    silhouette: float | None = None
    davies_bouldin: float | None = None
    stability: float | None = None
    stability_ami: float | None = None
    seconds: float | None = field(default=None, compare=False)
    cpu_seconds: float | None = field(default=None, compare=False)
    memory: int | None = field(default=None, compare=False)
    notes: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Evaluation(Record):
    """Clusterings and embedders of a collection beside each other. `items`: those that lie in all the spaces; `judged`:
    of these, how many were clustered. `labels`: the metadata key; `labelled`: judged items that have it; `classes`: how
    many values they have. `notes`: what was sampled and left out. `as_of`: the change that it belongs to."""

    spaces: tuple[JudgedSpace, ...]
    clusterings: tuple[JudgedClustering, ...]
    labels: str | None
    classes: int
    items: int
    judged: int
    labelled: int
    draws: int
    random_state: int
    notes: tuple[str, ...]
    as_of: int
    seconds: float = field(default=0.0, compare=False)

    @property
    def failed(self) -> tuple[JudgedClustering, ...]:
        """The clusterings that came to nothing."""
        return tuple(one for one in self.clusterings if one.error)

    def __repr__(self) -> str:
        beside = f" beside {self.classes} labels of {self.labels!r}" if self.labels else ""
        key = "ami" if self.labels else "silhouette"
        lines = "".join(f"\n  {one.space} {one.name}: {_shown(one, key)}" for one in self.clusterings)
        return f"<{len(self.clusterings)} clusterings of {self.judged} items{beside}, as of change {self.as_of}{lines}>"


def _shown(one: JudgedClustering, key: str) -> str:
    if one.error:
        return f"failed: {one.error}"
    value = getattr(one, key)
    return f"{one.clusters} clusters" + ("" if value is None else f", {key} {value:.3f}")
