"""The results of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexers.types import Json
from retrieval.records.base import Record


@dataclass(frozen=True, slots=True)
class JudgedSpace(Record):
    """An embedder, judged by how often near items share a label.

    `p_at_1`, `p_at_10`: the share of the nearest item, and of the ten nearest, with the query's label;
    `mean_average_precision`: over all items. None without labels. `queries`: items that were searched for; `alone`:
    items that share their label with no other item, and so were no queries.
    """

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
    """Time of the ranking."""


@dataclass(frozen=True, slots=True)
class JudgedClustering(Record):
    """A clustering and its figures; None where a figure is not available, `notes` say why.

    `kind`: level, partitions, stored or method. `loose`: the share of items in no cluster. Beside labels: `ari` and
    `ami` (0 by chance, 1 at best), `nmi`, `purity` (the last two rise with the number of clusters); loose items count
    as clusters of their own, and for purity as wrong. `silhouette` (-1 to 1) and `davies_bouldin` (0 at best) of items
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
        """The clusterings that failed."""
        return tuple(clustering for clustering in self.clusterings if clustering.error)

    def __repr__(self) -> str:
        beside = f" beside {self.classes} labels of {self.labels!r}" if self.labels else ""
        key = "ami" if self.labels else "silhouette"
        lines = "".join(f"\n  {judged.space} {judged.name}: {_describe(judged, key)}" for judged in self.clusterings)
        return f"<{len(self.clusterings)} clusterings of {self.judged} items{beside}, as of change {self.as_of}{lines}>"


def _describe(judged: JudgedClustering, key: str) -> str:
    if judged.error:
        return f"failed: {judged.error}"
    value = getattr(judged, key)
    return f"{judged.clusters} clusters" + ("" if value is None else f", {key} {value:.3f}")
