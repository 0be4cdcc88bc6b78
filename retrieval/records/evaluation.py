"""The results of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexers.types import Json
from retrieval.records.base import Record


@dataclass(frozen=True, slots=True)
class JudgedSpace(Record):
    """An embedder, judged by how often near items share a label."""

    space: str
    """The space's name."""
    embedder: str | None
    """The embedder that made the vectors; None for ready-made ones."""
    dimension: int
    """The length of a vector."""
    metric: str
    """How vectors are compared: cosine, ip, l2 ..."""
    p_at_1: float | None = None
    """The share of queries whose nearest item has their label; None without labels."""
    p_at_10: float | None = None
    """The share of the ten nearest items that have the query's label; None without labels."""
    mean_average_precision: float | None = None
    """The mean over all queries of the average precision of the ranking; None without labels."""
    queries: int = 0
    """The number of items that were searched for."""
    alone: int = 0
    """The number of items that share their label with no other item, and so were no queries."""
    seconds: float = field(default=0.0, compare=False)
    """Time of the ranking."""


@dataclass(frozen=True, slots=True)
class JudgedClustering(Record):
    """A clustering and its figures; None where a figure is not available, `notes` say why.

    Beside labels, loose items count as clusters of their own, and for purity as wrong."""

    space: str
    """The space whose vectors were clustered."""
    name: str
    """The level, the named clustering, or the method with its parameters."""
    kind: str
    """level, partitions, by name or method."""
    method: str | None = None
    """The clustering algorithm, of a method."""
    parameters: Json = field(default_factory=dict, hash=False)
    """The algorithm's parameters, of a method."""
    clusters: int | None = None
    """The number of its clusters."""
    loose: float | None = None
    """The share of items that are in no cluster."""
    ari: float | None = None
    """The adjusted Rand index beside the labels: 0 by chance, 1 at best."""
    ami: float | None = None
    """The adjusted mutual information beside the labels: 0 by chance, 1 at best."""
    nmi: float | None = None
    """The normalised mutual information beside the labels, 0 to 1; rises with the number of clusters."""
    purity: float | None = None
    """The share of items with the most frequent label of their cluster; rises with the number of clusters."""
    silhouette: float | None = None
    """The mean silhouette of items in clusters, -1 to 1."""
    davies_bouldin: float | None = None
    """The Davies-Bouldin index of items in clusters, 0 at best."""
    stability: float | None = None
    """The mean adjusted Rand index with what is made again without a fifth of the items."""
    stability_ami: float | None = None
    """The mean adjusted mutual information with what is made again without a fifth of the items."""
    stability_error: float | None = None
    """The standard error of `stability` over the draws: their deviation over the root of their number; None for fewer
    than two. Draws share items, so that it says how far the draws scatter rather than how far other items would."""
    stability_ami_error: float | None = None
    """The standard error of `stability_ami` over the draws."""
    given_count: bool = False
    """True if a method was given the number of labels as its number of clusters, which a user would not know."""
    seconds: float | None = field(default=None, compare=False)
    """The time of one fit, of a method."""
    cpu_seconds: float | None = field(default=None, compare=False)
    """The processor's time of one fit, of a method."""
    memory: int | None = field(default=None, compare=False)
    """The most bytes that a fit took, of a method."""
    notes: tuple[str, ...] = ()
    """Why figures are missing, and what else should be known."""
    error: str | None = None
    """Why the method failed."""


@dataclass(frozen=True, slots=True, repr=False)
class Evaluation(Record):
    """Clusterings and embedders of a collection beside each other."""

    spaces: tuple[JudgedSpace, ...]
    """The embedders."""
    clusterings: tuple[JudgedClustering, ...]
    """The clusterings."""
    labels: str | None
    """The metadata key whose values are the labels."""
    classes: int
    """The number of different labels."""
    items: int
    """The number of items that lie in all the spaces."""
    judged: int
    """The number of these items that were clustered."""
    labelled: int
    """The number of judged items that have a label."""
    draws: int
    """How often each clustering was made again, to measure its stability."""
    random_state: int
    """The random seed."""
    notes: tuple[str, ...]
    """What was sampled and left out."""
    as_of: int
    """The change number that it belongs to."""
    seconds: float = field(default=0.0, compare=False)
    """How long it took."""

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
